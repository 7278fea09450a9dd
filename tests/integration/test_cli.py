"""Run the command line as a person does, on a real Kafka."""

import asyncio
import json
import re
import signal
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import AdminClient, NewTopic

from agents.cli.redrive import REDRIVE_OF
from agents.kafka.role_topics import everything
from agents.kafka.topic_creation import TopicMisfit, TopicSpec, ensure
from schemas.dead_letters import DeadLetter, to_headers
from schemas.operations import Operation
from tests import topics
from tests.integration.command_line import Cli
from tests.unit.cli.samples import aggregate

NOW_MS = int(time.time() * 1000)


def operation(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"op-{number}",
        "operation": "parse_job_data",
        "occurred_at": NOW_MS,
        "success": True,
        "duration_ms": 12.5,
    } | fields


def dead_letter(cli: Cli, offset: int, value: bytes, **fields: Any) -> dict[str, Any]:
    letter = DeadLetter.model_validate(
        {
            "reason": "invalid_operation",
            "detail": "success: Input should be a valid boolean",
            "topic": f"{cli.prefix}operations",
            "partition": 1,
            "offset": offset,
            "timestamp_ms": NOW_MS,
            "size_bytes": len(value),
            "sha256": "0" * 64,
        }
        | fields
    )
    return {"value": value, "key": letter.key.encode(), "headers": to_headers(letter)}


def lines(*objects: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


# ------------------------------------------------------------------ topics


def test_topics_are_made_once_and_then_fit(cli: Cli):
    again, checked = cli("topics", "create"), cli("topics", "check")

    assert (again.returncode, again.stdout) == (0, "all topics exist and fit\n")
    assert checked.returncode == 0
    assert re.search(rf"{cli.prefix}operations +3 +delete +7 d +yes", checked.stdout)
    assert re.search(rf"{cli.prefix}dead-letters +1 +delete +30 d +yes", checked.stdout)


def test_workers_that_start_together_make_the_topics_once(bare: Cli):
    settings = bare.settings
    log = TopicSpec(f"{settings.topic_prefix}log", 3, {"cleanup.policy": "compact"})

    every = [*everything(settings), log]

    async def start() -> list[list[str]]:
        answers = await asyncio.gather(*[ensure(settings, every) for _ in range(4)])
        return [made for made, _ in answers]

    made = [name for each in asyncio.run(start()) for name in each]
    assert sorted(made) == sorted(spec.name for spec in every)
    with pytest.raises(TopicMisfit, match="opwatch makes it with delete"):
        asyncio.run(ensure(settings, [log._replace(config={"cleanup.policy": "delete"})]))


def test_a_changed_number_of_partitions_is_refused_with_what_to_do(cli: Cli):
    for command in ("check", "create"):
        answer = cli("topics", command, "--partitions", "8")
        assert answer.returncode == 1
        assert (
            f"{cli.prefix}partials has 3 partitions, OPWATCH_PARTITIONS is 8: set it to 3"
            in answer.stderr
        )


def test_a_topic_cleaned_otherwise_is_refused_and_a_shorter_one_noted(bare: Cli):
    cli = bare

    odd = {"operations": {"retention.ms": "60000"}, "aggregates": {"cleanup.policy": "delete"}}
    topics.make(
        AdminClient({"bootstrap.servers": cli.kafka}),
        *(NewTopic(cli.prefix + name, 3, 1, config=config) for name, config in odd.items()),
    )
    refused = cli("topics", "create")

    assert refused.returncode == 1
    assert "has cleanup.policy=delete, opwatch makes it with compact,delete" in refused.stderr
    assert "retention.ms" not in refused.stderr
    checked = cli("topics", "check")
    assert f"note: {cli.prefix}operations has retention.ms=60000" in checked.stderr
    assert f"{cli.prefix}partials does not exist" in checked.stderr


def test_a_broker_that_is_away_is_one_sentence_and_exit_code_3(cli: Cli):
    for command in (["topics", "check"], ["tail", "--once"], ["deadletters", "list"]):
        answer = cli(*command, OPWATCH_KAFKA_BOOTSTRAP="127.0.0.1:1")
        assert answer.returncode == 3
        assert answer.stdout == ""
        assert answer.stderr == (
            "opwatch: cannot reach Kafka at 127.0.0.1:1: connection refused. Is it running?"
            " `make up` starts one; OPWATCH_KAFKA_BOOTSTRAP names another.\n"
        )


def test_a_missing_topic_is_one_sentence(bare: Cli):
    answer = bare("tail", "--once")
    assert answer.returncode == 1
    assert re.match(
        r"opwatch: test-cli-\w+\.aggregates does not exist .*topics create", answer.stderr
    )


# ------------------------------------------------------------------ replay


def test_times_move_so_that_the_last_operation_is_now(cli: Cli):
    old = NOW_MS - 90 * 86_400_000
    (cli.folder / "old.jsonl").write_text(
        lines(
            operation(1, occurred_at=old, unknown="kept"),
            operation(2, occurred_at=old + 600_000, platform="lever"),
            [
                operation(3, occurred_at=old + 1000),
                operation(4, occurred_at="2024-01-01T00:00:00Z"),
            ],
        )
    )
    span = old + 600_000 - 1_704_067_200_000

    before = int(time.time() * 1000)
    answer = cli("replay", "old.jsonl", "--speed", "max")
    after = int(time.time() * 1000)

    assert (answer.returncode, answer.stderr) == (0, "read 3 lines: published 3, left out 0\n")
    records = {record.timestamp: json.loads(record.value) for record in cli.topic("operations")}
    # The elements of the array lie too far apart for one record.
    first, second, third, fourth = sorted(records.values(), key=lambda body: body["id"])
    assert before <= second["occurred_at"] <= after
    assert second["occurred_at"] - first["occurred_at"] == 600_000
    assert first["unknown"] == "kept"
    assert third["occurred_at"] - first["occurred_at"] == 1000
    assert second["occurred_at"] - fourth["occurred_at"] == span
    assert {body["occurred_at"] for body in records.values()} == records.keys()


def test_the_recorded_pace_is_kept_or_so_many_times_faster(cli: Cli):
    source = lines(*(operation(n, occurred_at=NOW_MS + n * 2_000) for n in range(5)))
    (cli.folder / "eight-seconds.jsonl").write_text(source)

    began = time.monotonic()
    assert cli("replay", "eight-seconds.jsonl").returncode == 0
    slow = time.monotonic() - began
    began = time.monotonic()
    assert cli("replay", "eight-seconds.jsonl", "--speed", "20").returncode == 0
    fast = time.monotonic() - began

    assert slow > 8
    assert fast < slow - 1  # what the two starts differ by is less than what is saved
    delays = [
        record.timestamp - json.loads(record.value)["occurred_at"]
        for record in cli.topic("operations")
    ]
    assert delays == [0] * 10


def test_history_keeps_its_times_and_its_bytes(cli: Cli):
    text = (
        '{"id":"a","operation":"x", "occurred_at":"2026-01-02T03:04:05Z"'
        ',"success":true,"duration_ms":1}'
    )
    answer = cli("replay", "-", "--speed", "max", "--as-recorded", stdin=text + "\n")

    assert answer.returncode == 0
    (record,) = cli.topic("operations")
    assert (record.value.decode(), record.timestamp) == (text, 1_767_323_045_000)


def test_csv_columns_are_mapped_and_bad_lines_told(cli: Cli):
    (cli.folder / "jobs.csv").write_text(
        "when,op,site,ok,ms,cache,cache_evictions\n"
        f"{NOW_MS},parse,lever,yes,12.5,HIT,\n"
        f'{NOW_MS},parse,"work,day",no,7,,2\n'
        f"{NOW_MS},parse,lever,perhaps,7,,\n"
        f"{NOW_MS},parse,lever,no,-7,,\n"
    )
    mapping = ["when=occurred_at", "op=operation", "site=platform", "ok=success", "ms=duration_ms"]
    options = [word for one in mapping for word in ("--map", one)]

    answer = cli("replay", "jobs.csv", "--speed", "max", *options)

    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        'opwatch: line 4: success: should be a valid boolean, not "perhaps".',
        "opwatch: line 5: duration_ms: should be greater than or equal to 0, not -7.",
        "read 4 lines: published 2, left out 2",
    ]
    first, second = (Operation.model_validate_json(one.value) for one in cli.topic("operations"))
    assert (first.id, first.cache, first.success) == ("jobs.csv:2", "hit", True)
    assert (second.platform, second.duration_ms, second.cache_evictions) == ("work,day", 7.0, 2)
    assert cli("replay", "jobs.csv", "--speed", "max", "--skip-invalid", *options).returncode == 0


def test_a_pipe_is_published_while_it_is_still_open(cli: Cli):
    process = cli.start("replay", "-")
    assert process.stdin
    try:
        process.stdin.write(lines(operation(1), operation(2)))
        process.stdin.flush()
        give_up = time.monotonic() + 15
        while len(cli.topic("operations")) < 2 and time.monotonic() < give_up:
            time.sleep(0.2)
        assert len(cli.topic("operations")) == 2
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "read 2 lines: published 2, left out 0" in err
    assert "Traceback" not in err


def test_nothing_to_publish_is_said(cli: Cli):
    empty, absent = cli("replay", "-", stdin="\n"), cli("replay", "nowhere.jsonl")
    assert (empty.returncode, empty.stderr) == (1, "opwatch: there was nothing to publish.\n")
    assert absent.returncode == 2
    assert absent.stderr == "opwatch: cannot read nowhere.jsonl: no such file or directory.\n"


# ------------------------------------------------------------------ tail


def _aggregates(*many: Any) -> list[dict[str, Any]]:
    return [
        {"value": one.model_dump_json().encode(), "key": one.series.operation.encode()}
        for one in many
    ]


def test_tail_shows_the_newest_revision_once(cli: Cli):
    assert cli("tail", "--once").returncode == 1
    cli.publish(
        "aggregates",
        _aggregates(
            aggregate("parse_job_data", revision=7, count=7),
            aggregate("parse_job_data", revision=5, count=5),
            aggregate("parse_job_data", platform="lever", count=3),
            aggregate("*", count=1234),
        ),
    )
    cli.publish("aggregates", [{"value": None, "key": b"gone"}, {"value": b"{}", "key": b"odd"}])

    shown = cli("tail", "--once")

    assert shown.returncode == 0
    rows = [line.split() for line in shown.stdout.splitlines()[2:] if line.strip()]
    assert rows[0][:2] == ["all", "operations"]
    assert "1,234" in rows[0]
    assert "7" in rows[1]
    assert rows[2][0] == "lever"
    assert "\x1b" not in shown.stdout


def test_tail_hands_aggregates_on_as_they_stand(cli: Cli):
    records = _aggregates(
        aggregate("a", revision=1, count=1),
        aggregate("a", revision=2, count=2),
        aggregate("b", platform="lever"),
        aggregate("a", size="1h"),
    )
    cli.publish("aggregates", records)

    once = cli("tail", "--once", "--json", "--window", "1m", "--series", "a*")
    assert once.stdout.encode() == records[1]["value"] + b"\n"
    every = cli("tail", "--for", "2", "--json", "--from-beginning")
    assert sorted(every.stdout.encode().splitlines()) == sorted(one["value"] for one in records)
    only = cli("tail", "--once", "--json", "--series", '*{platform="lever"}')
    assert only.stdout.encode() == records[2]["value"] + b"\n"
    none = cli("tail", "--once", "--json", "--series", "zzz")
    assert (none.returncode, none.stdout) == (1, "")


def test_tail_ends_quietly_when_its_reader_leaves(cli: Cli):
    cli.publish("aggregates", _aggregates(*(aggregate(f"op{n}") for n in range(3000))))
    process = cli.start("tail", "--json", "--from-beginning")
    assert process.stdout
    assert process.stderr
    assert json.loads(process.stdout.readline())["kind"] == "operations"
    process.stdout.close()
    cli.publish("aggregates", _aggregates(*(aggregate(f"op{n}") for n in range(300))))
    try:
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_tail_cleanly(cli: Cli, number: signal.Signals, code: int):
    process = cli.start("tail", "--json", "--from-beginning")
    cli.publish("aggregates", _aggregates(aggregate("a")))
    assert process.stdout
    process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (code, "")


# ------------------------------------------------------------------ dead letters


def test_dead_letters_are_listed_once_each_and_shown(cli: Cli):
    assert cli("deadletters", "list").returncode == 1
    bad = json.dumps(operation(1, success="yes")).encode()
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 10, bad),
            dead_letter(cli, 10, bad),  # a restart says it again
            dead_letter(cli, 11, b"\xff\x00{", reason="invalid_json", detail="not JSON", index=4),
        ],
    )
    first, second = f"{cli.prefix}operations/1/10/-", f"{cli.prefix}operations/1/11/4"

    listed = cli("deadletters", "list", "--json")
    assert [json.loads(line)["key"] for line in listed.stdout.splitlines()] == [first, second]
    table = cli("deadletters", "list", "--reason", "invalid_json")
    assert table.returncode == 0
    assert "invalid_operation" not in table.stdout
    assert "not JSON" in table.stdout
    assert cli("deadletters", "list", "--since", "1h", "--limit", "1").stdout.count("\n") == 2
    assert cli("deadletters", "list", "--reason", "nonsense").returncode == 2

    shown = cli("deadletters", "show", first)
    assert "success: Input should be a valid boolean" in shown.stdout
    assert '"success": "yes"' in shown.stdout
    raw = cli("deadletters", "show", "--raw", first)
    assert raw.stdout.encode() == bad
    assert cli("deadletters", "show", "no/1/2/-").returncode == 1


def test_a_mended_letter_goes_back_once_for_ever(cli: Cli):
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 1, json.dumps(operation(1, success="yes")).encode()),
            dead_letter(cli, 2, json.dumps(operation(2)).encode(), reason="invalid_json"),
        ],
    )
    key = f"{cli.prefix}operations/1/1/-"

    refused = cli("deadletters", "redrive", key)
    assert refused.returncode == 1
    assert refused.stderr == (
        f'opwatch: {key} would be refused again: success: should be a valid boolean, not "yes".\n'
    )
    mend = ("--through", "sed 's/\"yes\"/true/'")
    rehearsed = cli("deadletters", "redrive", "--all", *mend, "--dry-run")
    assert rehearsed.returncode == 0
    assert "2 would be redriven, 0 refused" in rehearsed.stderr
    assert cli.topic("operations") == []

    gone = cli("deadletters", "redrive", key, *mend)
    assert (gone.returncode, gone.stderr) == (0, "")
    again = cli("deadletters", "redrive", key, *mend)
    assert again.returncode == 1
    assert re.match(rf"opwatch: {re.escape(key)} was already redriven at \S+ \S+ UTC", again.stderr)
    rest = cli("deadletters", "redrive", "--all", *mend)
    assert rest.returncode == 0
    assert "1 redriven, 0 refused, 1 redriven before" in rest.stderr

    records = {json.loads(one.value)["id"]: one for one in cli.topic("operations")}
    assert records.keys() == {"op-1", "op-2"}
    assert Operation.model_validate_json(records["op-1"].value).success is True
    assert dict(records["op-1"].headers)[REDRIVE_OF] == key.encode()
    assert cli("deadletters", "list").stdout.count(" yes ") == 2


def test_what_cannot_count_any_more_is_refused_with_the_reason(cli: Cli):
    stale = json.dumps(operation(1, occurred_at=int(time.time() * 1000) - 11_520_000)).encode()
    ahead = json.dumps(operation(2, occurred_at=int(time.time() * 1000) + 7_200_000)).encode()
    good = json.dumps(operation(3)).encode()
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 1, stale, reason="too_old"),
            dead_letter(cli, 2, ahead, reason="from_future"),
            dead_letter(cli, 3, good, truncated=True, size_bytes=10_000_000, reason="too_large"),
            dead_letter(cli, 4, good, topic=f"{cli.prefix}partials"),
            dead_letter(cli, 5, b"[]", reason="empty_array"),
            dead_letter(cli, 7, b"[]", reason="window_expired", detail="3 operations"),
            dead_letter(cli, 6, f"[{good.decode()}]".encode(), index=2),
        ],
    )
    answer = cli("deadletters", "redrive", "--all")

    assert answer.returncode == 1
    told = answer.stderr
    assert "happened 3 h 12 min ago; windows close after 1 h." in told
    assert re.search(r"happens 1 h 59 min from now; at most 1 min is accepted", told)
    assert "is truncated: 10,000,000 bytes were refused and only the first are stored" in told
    assert f"came from {cli.prefix}partials; only what came from" in told
    assert "/5/- would be refused again: an array without operations" in told
    assert "/6/2 would be refused again:" in told
    assert "/7/- cannot count any more: 3 operations." in told
    assert "0 redriven, 7 refused" in told
    assert cli.topic("operations") == []
    assert cli("deadletters", "redrive", "no/1/2/-").stderr == (
        "opwatch: there is no dead letter no/1/2/-.\n"
    )
    assert cli("deadletters", "redrive").returncode == 2


def test_a_command_that_fails_mends_nothing(cli: Cli):
    cli.publish("dead-letters", [dead_letter(cli, 1, b"{}")])
    answer = cli("deadletters", "redrive", "--all", "--through", "echo broken >&2; exit 4")
    assert answer.returncode == 1
    assert "made the command exit with 4: broken." in answer.stderr


def test_two_redrives_at_once_count_each_letter_once(cli: Cli):
    letters = [dead_letter(cli, n, json.dumps(operation(n)).encode()) for n in range(1500)]

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=cli.kafka) as producer:
            topic = f"{cli.prefix}dead-letters"
            await asyncio.gather(*[await producer.send(topic, **one) for one in letters])

    asyncio.run(send())
    processes = [cli.start("deadletters", "redrive", "--all") for _ in range(3)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    last = cli("deadletters", "redrive", "--all")

    assert last.returncode == 0, last.stderr
    assert "Traceback" not in "".join(err for err, _ in ends)
    assert all(code in (0, 1) for _, code in ends), ends
    ids = [json.loads(record.value)["id"] for record in cli.topic("operations")]
    assert len(ids) == len(set(ids)) == 1500


def test_a_redrive_that_is_killed_leaves_nothing_half_done(cli: Cli):
    letters = [dead_letter(cli, n, json.dumps(operation(n)).encode()) for n in range(40)]
    cli.publish("dead-letters", letters)

    async def half_done() -> None:
        """What a killed redrive leaves: an open transaction with records and no end."""
        producer = AIOKafkaProducer(
            bootstrap_servers=cli.kafka, transactional_id=f"{cli.prefix}redrive"
        )
        await producer.start()
        await producer.begin_transaction()
        value = json.dumps(operation(0)).encode()
        await producer.send_and_wait(f"{cli.prefix}operations", value)
        await producer.client.close()
        producer._sender._sender_task.cancel()
        producer._closed = True

    asyncio.run(half_done())
    answer = cli("deadletters", "redrive", "--all")

    assert answer.returncode == 0, answer.stderr
    ids = [json.loads(record.value)["id"] for record in cli.topic("operations")]
    assert sorted(ids) == sorted(f"op-{n}" for n in range(40))


def test_the_reader_meets_an_end_of_control_records(cli: Cli):
    """Transactions leave offsets without a record where a topic ends."""
    cli.publish("dead-letters", [dead_letter(cli, 1, json.dumps(operation(1)).encode())])
    assert cli("deadletters", "redrive", "--all").returncode == 0
    assert [len(cli.topic(name)) for name in ("operations", "dead-letters")] == [1, 2]
