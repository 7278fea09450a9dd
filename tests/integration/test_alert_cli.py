"""Ask for alerts and their stories, and ask the alert role for things, on a real Kafka."""

import json
import subprocess
from typing import Any

import pytest

from schemas.commands import CommandRecord
from schemas.dead_letters import DeadLetter, to_headers
from streams.alerting.inputs import why_gone
from tests.integration.alert_role import DELIVERY, FINGERPRINT, NOW_MS, Role, opened, told_of
from tests.integration.command_line import Cli
from tests.unit.messages.samples import resolved


@pytest.fixture
def role(cli: Cli) -> Role:
    return Role(cli)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


# ------------------------------------------------------------------ what is, and why


def test_alerts_are_listed_shown_and_explained(cli: Cli, role: Role):
    nothing = cli("alerts", "list")
    assert (nothing.returncode, nothing.stderr) == (1, "nothing fires\n")

    long_ago = NOW_MS - 2 * 3_600_000
    cli.publish(
        "breaches",
        [
            *told_of(
                opened(),
                resolved(id="old", fingerprint="0ddba11000000000", resolved_ms=long_ago),
            ),
            {"value": b'{"version": 2}', "key": b"from the future"},
        ],
    )
    role.decides("due", "slack_engineering", **DELIVERY)
    role.decides("attempted", "slack_engineering", attempt=1, **DELIVERY)
    role.decides("sent", "slack_engineering", attempt=1, answer="200 ok", **DELIVERY)
    role.decides("below_severity", "engineering_email")

    listed = cli("alerts", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (alert,) = map(json.loads, listed.stdout.splitlines())
    assert (alert["fingerprint"], alert["state"]) == (FINGERPRINT, "firing")
    assert {one["channel"]: one["state"] for one in alert["told"]} == {
        "slack_engineering": "told",
        "engineering_email": "not_told",
    }
    wide = cli("alerts", "list", COLUMNS="200").stdout
    assert "slack_engineering, engineering_email (below severity)" in wide
    assert len(cli("alerts", "list", "--all", "--json").stdout.splitlines()) == 2

    shown = cli("alerts", "show", FINGERPRINT[:4], COLUMNS="200").stdout
    for part in ("p95_ms", "op-17 (12 ms, failed: TimeoutError)", "cooldown 10 min", "200 ok"):
        assert part in shown

    why = cli("why", FINGERPRINT[:6], COLUMNS="200").stdout
    assert "slack_engineering: notified at" in why
    assert "engineering_email: below severity: The sentence of below_severity." in why
    assert "attempted" not in why
    entries = [json.loads(line) for line in cli("why", FINGERPRINT, "--json").stdout.splitlines()]
    assert [one["what"] for one in entries] == [
        "opened",
        "due",
        "attempted",
        "sent",
        "below severity",
    ]
    assert entries[3]["answer"] == entries[3]["record"]["answer"] == "200 ok"

    for wrong, said in (("abcd", "there is no alert 'abcd'"), (FINGERPRINT[:2], "is too short")):
        answer = cli("why", wrong)
        assert answer.returncode == 1
        assert said in answer.stderr
        assert answer.stderr.count("\n") == 1


def test_why_not_says_every_reason(cli: Cli, role: Role):
    cli.publish("breaches", told_of(opened()))
    role.decides("cooldown", "slack_engineering")
    role.decides("cooldown", "slack_engineering")
    role.decides("silenced")
    role.decides("sent", "engineering_email", **DELIVERY)

    told = cli("why-not", "slack_engineering")
    assert told.returncode == 0, told.stderr
    assert "cooldown: 2" in told.stdout
    assert "silenced: 1" in told.stdout
    lines = cli("why-not", "engineering_email", "--json").stdout.splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["silenced"]
    typo = cli("why-not", "slack_enginering")
    assert typo.returncode == 1
    assert "did you mean slack_engineering?" in typo.stderr
    later = cli("why-not", "slack_engineering", "--since", "2100-01-01")
    assert later.returncode == 1


# ------------------------------------------------------------------ commands


def test_an_acknowledgement_names_the_episode_and_awaits_what_is_decided(cli: Cli, role: Role):
    cli.publish("breaches", told_of(opened()))

    asking = cli.start("ack", FINGERPRINT[:4], "--comment", "on it", "--by", "ada")
    record = role.answers(asking, "command_done", sentence="Acknowledged by ada: on it")

    assert ended(asking) == (0, "Acknowledged by ada: on it\n", "")
    command: Any = CommandRecord.model_validate_json(record.value).root
    assert record.key.decode() == command.fingerprint == FINGERPRINT
    assert (command.breach_id, command.by, command.comment) == (opened().id, "ada", "on it")
    (alert,) = map(json.loads, cli("alerts", "list", "--json").stdout.splitlines())
    assert (alert["state"], alert["by"]) == ("acknowledged", "ada")

    again = cli.start("ack", FINGERPRINT, "--comment", "me too")
    role.answers(again, "command_refused", sentence="ada has acknowledged it already.")
    assert ended(again) == (1, "", "opwatch: ada has acknowledged it already.\n")


def test_what_does_not_fire_cannot_be_acknowledged(cli: Cli):
    cli.publish("breaches", told_of(opened(), resolved(opened_ms=NOW_MS)))

    answer = cli("ack", FINGERPRINT, "--comment", "on it")

    assert answer.returncode == 1
    assert "it has resolved, so there is nothing to acknowledge" in answer.stderr
    assert cli.topic("commands") == []


def test_without_an_alert_worker_the_command_stands_and_the_exit_code_is_3(cli: Cli):
    cli.publish("breaches", told_of(opened()))

    answer = cli("ack", FINGERPRINT, "--comment", "on it")

    assert answer.returncode == 3
    assert "no alert worker answers within 10 s; the command stays on the topic" in answer.stderr
    assert len(cli.topic("commands")) == 1


def test_a_silence_by_a_label_that_no_alert_has_says_so(cli: Cli, role: Role):
    cli.publish("breaches", told_of(opened()))
    adding = cli.start("silence", "add", 'platfrom="lever", nosuch!="x"', "--for", "2h", "-c", "-")
    role.answers(adding, "command_done", sentence="Silenced.")
    code, _, err = ended(adding)
    assert code == 0
    assert err.startswith("Silenced. It covers 0 of the 1 alerts that fire. ")
    assert err.endswith("No alert so far has a label platfrom; did you mean platform?\n")


def test_silences_are_added_listed_and_ended(cli: Cli, role: Role):
    cli.publish("breaches", told_of(opened()))
    assert cli("silence", "list").returncode == 1

    adding = cli.start(
        "silence", "add", 'platform="lever"', 'team=~"s.*"', "--for", "2h", "-c", "moving"
    )
    record = role.answers(adding, "command_done", sentence="Silenced.")
    code, out, err = ended(adding)
    command: Any = CommandRecord.model_validate_json(record.value).root
    assert (code, out) == (0, command.id + "\n"), err
    assert err == "Silenced. It covers 1 of the 1 alerts that fire.\n"
    assert record.key.decode() == command.id
    assert command.end_ms - command.start_ms == 7_200_000

    (listed,) = map(json.loads, cli("silence", "list", "--json").stdout.splitlines())
    assert listed["matchers"] == 'platform="lever", team=~"s.*"'
    assert json.loads(cli("alerts", "list", "--json").stdout)["state"] == "silenced"

    ending = cli.start("silence", "end", command.id[:5])
    role.answers(ending, "command_done", sentence="Ended.")
    assert ended(ending)[:2] == (0, "Ended.\n")
    assert cli("silence", "list").returncode == 1
    assert " ended " in cli("silence", "list", "--all").stdout


def test_a_test_message_awaits_a_worker_that_starts_and_says_so(cli: Cli, role: Role):
    testing = cli.start("channels", "test", "slack_engineering")
    assert testing.stderr is not None
    assert testing.stderr.readline() == (
        "no alert worker answers yet, perhaps it is starting (3 s of 60 s) …\n"
    )
    role.answers(testing, "due", event="test", channel="slack_engineering", **DELIVERY)
    outcome = {"event": "test", "cause": {"kind": "delivery"}} | DELIVERY
    role.decides("sent", "slack_engineering", answer="200 ok", **outcome)
    assert ended(testing)[:2] == (0, "The sentence of sent, answered 200 ok\n")

    alone = cli("channels", "test", "slack_engineering", "--wait", "0.5")
    assert alone.returncode == 3
    assert "no alert worker answers within 0.5 s; the command stays" in alone.stderr


def test_a_test_message_is_followed_to_what_the_receiver_said(cli: Cli, role: Role):
    testing = cli.start("channels", "test", "slack_engineering", "--by", "ada")
    role.answers(testing, "due", event="test", channel="slack_engineering", **DELIVERY)
    outcome = {"event": "test", "cause": {"kind": "delivery"}} | DELIVERY
    role.decides("gave_up", "slack_engineering", answer="404 no_service", **outcome)

    assert ended(testing) == (
        1,
        "",
        "opwatch: The sentence of gave_up, answered 404 no_service\n",
    )


def test_a_webhook_that_answered_410_is_listed_as_gone(cli: Cli, role: Role):
    rules = cli.folder / "rules.yaml"
    rules.write_text("version: 1\nchannels:\n  - {name: hook, type: webhook}\n")
    list_ = ("channels", "list", "--json")
    alone = cli(*list_, OPWATCH_RULE_FILE=str(rules), OPWATCH_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert json.loads(alone.stdout)["gone"] is None
    assert "cannot tell whether a webhook answered 410 Gone" in alone.stderr
    role.decides("gave_up", "hook", gave_up="channel_gone")

    gone = json.loads(cli(*list_, OPWATCH_RULE_FILE=str(rules)).stdout)
    assert gone["gone"] == why_gone("hook")
    shown = cli("channels", "list", OPWATCH_RULE_FILE=str(rules)).stdout
    assert " 410 Gone " in shown
    assert why_gone("hook") in shown

    role.decides("sent", "hook", event="test")
    assert json.loads(cli(*list_, OPWATCH_RULE_FILE=str(rules)).stdout)["gone"] is None


def test_a_message_that_was_given_up_is_redriven_by_a_command(cli: Cli, role: Role):
    about = DeadLetter(
        reason="undelivered",
        detail="Given up after 3 attempts.",
        topic=f"{cli.prefix}breaches",
        partition=0,
        offset=0,
        delivery="d1",
        timestamp_ms=NOW_MS,
        size_bytes=2,
        sha256="0" * 64,
    )
    letter = {"value": b"{}", "key": about.key.encode(), "headers": to_headers(about)}
    cli.publish("dead-letters", [letter])
    cli.publish("breaches", told_of(opened()))
    role.decides("gave_up", "slack_engineering", **DELIVERY)
    assert "It stands in the dead letters as" in cli("why", FINGERPRINT, COLUMNS="200").stdout

    redriving = cli.start("deadletters", "redrive", about.key)
    record = role.answers(redriving, "command_done", sentence="Redriven.", **DELIVERY)

    assert ended(redriving) == (0, f"{about.key} redriven to its channel: Redriven.\n", "")
    command: Any = CommandRecord.model_validate_json(record.value).root
    assert (command.kind, command.delivery) == ("redrive", "d1")
    again = cli("deadletters", "redrive", about.key)
    assert again.returncode == 1
    assert "was already redriven" in again.stderr
