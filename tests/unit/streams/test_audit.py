"""How alerts stand, and why somebody was told or was not, from the topics' records."""

import pytest

from streams.alerting.inputs import why_gone
from streams.audit.log import CommandAnswer
from streams.audit.short_ids import Unfound, find
from streams.audit.status import alert_status, alert_statuses, channels_gone, silence_statuses
from streams.audit.why import Undelivered, history
from streams.audit.why_not import NOT_ROUTED, by_reason, channels, why_not
from tests.unit.streams.story_samples import OPENED_MS, Records, breach, resolved

FINGERPRINT = breach().fingerprint
ROUTING = {"channels": ["slack_engineering", "engineering_email"], "cooldown_ms": 600_000}
HOUR_MS = 3_600_000


@pytest.fixture
def records() -> Records:
    return Records()


def told_of(records: Records) -> dict[str, str]:
    found = alert_status(records.log, FINGERPRINT, records.now_ms)
    return {one.channel: one.state for one in found.channels}


# ------------------------------------------------------------------ alert_status


def test_a_breach_nobody_has_decided_about_says_so(records: Records):
    records.breached()

    found = alert_status(records.log, FINGERPRINT, records.now_ms)

    assert found.state == "firing"
    assert [(one.channel, one.state) for one in found.channels] == [
        ("slack_engineering", "undecided")
    ]
    assert "does an alert worker run?" in found.channels[0].sentence


def test_each_channel_says_whether_it_was_told(records: Records):
    records.breached(routing=ROUTING)
    records.told("slack_engineering")
    records.decided("below_severity", "engineering_email")

    assert told_of(records) == {"slack_engineering": "sent", "engineering_email": "not_sent"}


def test_who_was_told_once_stays_told(records: Records):
    records.breached()
    records.told("slack_engineering")
    records.decided("duplicate", "slack_engineering")
    records.decided("cooldown", "slack_engineering")

    assert told_of(records) == {"slack_engineering": "sent"}


def test_a_decision_about_all_channels_is_about_each(records: Records):
    records.breached(routing=ROUTING)
    records.decided("silenced")

    assert told_of(records) == {"slack_engineering": "not_sent", "engineering_email": "not_sent"}


def test_what_is_given_up_is_not_told_until_it_gets_through(records: Records):
    records.breached()
    records.decided("due", "slack_engineering", delivery="d", parcel="d")
    assert told_of(records) == {"slack_engineering": "pending"}
    records.decided("gave_up", "slack_engineering", delivery="d", parcel="d")
    assert told_of(records) == {"slack_engineering": "failed"}
    records.told("slack_engineering")
    assert told_of(records) == {"slack_engineering": "sent"}


def test_opened_and_resolved_in_one_message_is_told(records: Records):
    records.breached()
    records.decided("due", "slack_engineering", delivery="d", parcel="d")
    records.breached(resolved())
    records.decided("cancelled", "slack_engineering", delivery="d", parcel="d")
    records.told("slack_engineering", event="resolved", delivery="e", parcel="e")

    found = alert_status(records.log, FINGERPRINT, records.now_ms)

    assert found.state == "resolved"
    assert told_of(records) == {"slack_engineering": "sent"}
    assert found.channels[0].resolved_ms == records.now_ms


def test_an_earlier_episodes_message_tells_nobody_of_this_one(records: Records):
    records.breached(id="first")
    records.told("slack_engineering")
    records.breached(resolved(id="first"))
    later = OPENED_MS + HOUR_MS
    records.breached(id="second", since_ms=later, opened_ms=later)
    records.decided("cooldown", "slack_engineering")

    assert told_of(records) == {"slack_engineering": "not_sent"}


def test_a_message_shared_with_another_alert_counts_for_both(records: Records):
    records.breached()
    records.decided("grouped", "slack_engineering", delivery="d", parcel="shared")
    records.decided(
        "sent",
        "slack_engineering",
        delivery="other",
        parcel="shared",
        fingerprint="other",
        breach_id="another",
        attempt=1,
    )

    assert told_of(records) == {"slack_engineering": "sent"}


def test_the_larger_revision_stands_whatever_comes_last(records: Records):
    records.breached(resolved())
    records.breached()

    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "resolved"


def test_an_acknowledgement_counts_once_it_is_done_and_for_its_episode_only(records: Records):
    records.breached()
    records.asked("acknowledge", comment="on it")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"
    records.decided("command_done")
    found = alert_status(records.log, FINGERPRINT, records.now_ms)
    assert (found.state, found.by, found.comment) == ("acknowledged", "ada", "on it")

    later = OPENED_MS + HOUR_MS
    records.breached(id="later", since_ms=later, opened_ms=later)
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_what_gets_worse_is_acknowledged_no_more(records: Records):
    records.breached()
    records.asked("acknowledge")
    records.decided("command_done")
    records.breached(revision=2, state="updated", why="confirmed")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "acknowledged"
    records.breached(revision=3, state="updated", why="severity_changed", severity="critical")
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_what_needs_somebody_stands_first(records: Records):
    for name, severity in (("a", "low"), ("b", "critical"), ("c", "high")):
        records.breached(id=name, fingerprint=name, severity=severity)
    records.breached(resolved(id="d", fingerprint="d", severity="critical"))

    order = [one.breach.fingerprint for one in alert_statuses(records.log, records.now_ms)]

    assert order == ["b", "c", "a", "d"]


# ------------------------------------------------------------------ silences


def test_a_silence_goes_from_unanswered_over_active_to_ended(records: Records):
    records.breached()
    records.asked("silence", id="quiet")
    assert _state(records) == "unanswered"
    records.decided("command_done")
    assert _state(records) == "active"
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "silenced"
    records.asked("end_silence", silence="quiet")
    assert _state(records) == "active"
    records.decided("command_done")
    assert _state(records) == "ended"
    assert alert_status(records.log, FINGERPRINT, records.now_ms).state == "firing"


def test_a_silence_waits_expires_or_is_refused(records: Records):
    start = records.now_ms + HOUR_MS
    records.asked("silence", start_ms=start, end_ms=start + HOUR_MS)
    records.decided("command_done")
    assert _state(records) == "pending"
    assert _state(records, start) == "active"
    assert _state(records, start + HOUR_MS) == "expired"
    other = Records()
    other.asked("silence")
    other.decided("command_refused")
    assert _state(other) == "refused"


def _state(records: Records, now_ms: int | None = None) -> str:
    (found,) = silence_statuses(records.log, now_ms or records.now_ms)
    return found.state


# ------------------------------------------------------------------ story


def test_the_story_is_told_in_order_with_evidence_and_answers(records: Records):
    records.breached()
    records.told("slack_engineering")
    records.asked("acknowledge", comment="on it")
    records.decided("command_done", sentence="Acknowledged by ada: on it")
    records.breached(resolved())
    records.told("slack_engineering", event="resolved", delivery="e", parcel="e")

    told = history(records.log, FINGERPRINT)

    assert [one.what for one in told] == [
        "opened",
        "due",
        "attempted",
        "sent",
        "acknowledge",
        "resolved",
        "due",
        "attempted",
        "sent",
    ]
    opened = told[0].sentence
    assert "81.25 % (threshold: below 95 %; 240 samples)" in opened
    assert "windows from 2027-01-15 07:55:00 to 2027-01-15 08:00:00 UTC" in opened
    assert told[3].answer == "200 ok"
    assert told[4].sentence == "Acknowledged by ada: on it"
    assert [one.minor for one in told].count(True) == 2


def test_an_attempt_nobody_closed_is_no_minor_thing(records: Records):
    records.breached()
    records.decided("attempted", "slack_engineering", delivery="d", parcel="d", attempt=1)

    assert [one.minor for one in history(records.log, FINGERPRINT)] == [False, False]


def test_what_follows_never_stands_before_its_cause(records: Records):
    records.breached()
    records.decided("due", "slack_engineering", now_ms=OPENED_MS - HOUR_MS)

    assert [one.what for one in history(records.log, FINGERPRINT)] == ["opened", "due"]


def test_records_that_were_published_twice_are_told_once(records: Records):
    records.breached()
    twice = records.decided("due", "slack_engineering")
    records.log.add_decision(twice)
    records.log.add_breach(breach(), 7, records.now_ms)

    assert [one.what for one in history(records.log, FINGERPRINT)] == ["opened", "due"]


def test_dead_letters_redrives_and_silences_belong_to_the_story(records: Records):
    records.breached()
    records.asked("silence", comment="deploying")
    records.decided("command_done", sentence="ada silences what matches.")
    records.decided("gave_up", "slack_engineering", delivery="d", parcel="d")
    letters = [
        Undelivered("key/d", "d", "Undelivered up.", records.now_ms),
        Undelivered("key/other", "other", "Undelivered up.", records.now_ms),
    ]
    records.now_ms += 1
    records.asked("redrive", delivery="d")

    told = history(records.log, FINGERPRINT, letters)

    assert [one.what for one in told] == ["opened", "silence", "gave up", "dead letter", "redrive"]
    assert "key/d" in told[3].sentence
    assert told[1].sentence == "ada silences what matches. (deploying)"
    assert told[4].sentence == "ada asked for it; no alert worker has answered yet."


def test_who_ended_a_silence_and_who_was_refused_is_told(records: Records):
    records.breached()
    records.asked("silence", id="quiet")
    records.decided("command_done")
    records.asked("end_silence", silence="quiet", by="grace")
    records.decided("command_done", sentence="grace ended the silence.")
    records.asked("acknowledge")
    records.decided("command_refused", sentence="It has resolved.")

    told = [one.sentence for one in history(records.log, FINGERPRINT) if one.kind == "command"]

    assert told[1:] == [
        "grace ended the silence.",
        "ada asked for it and was refused: It has resolved.",
    ]


def test_commands_about_others_are_left_out(records: Records):
    records.breached()
    records.asked("silence", matchers=[{"label": "platform", "value": "ashby"}])
    records.decided("command_done", fingerprint="silence/x")
    records.asked("acknowledge", fingerprint="other", breach_id="other")
    records.asked("redrive", delivery="other")

    assert [one.what for one in history(records.log, FINGERPRINT)] == ["opened"]


# ------------------------------------------------------------------ why not


def test_each_decision_not_to_tell_a_channel_is_found_and_grouped(records: Records):
    records.breached(routing=ROUTING)
    records.told("slack_engineering")
    records.decided("below_severity", "engineering_email")
    records.decided("silenced")
    records.decided("cooldown", "engineering_email")
    records.decided("cooldown", "engineering_email")

    groups = by_reason(why_not(records.log, "engineering_email", 0))

    assert [(one.reason, len(one.decisions)) for one in groups] == [
        ("cooldown", 2),
        ("below_severity", 1),
        ("silenced", 1),
    ]
    assert [one.reason for one in why_not(records.log, "slack_engineering", 0)] == ["silenced"]


def test_a_rule_that_names_other_channels_is_an_answer_too(records: Records):
    records.breached(routing=ROUTING)

    (only,) = why_not(records.log, "pagerduty_oncall", 0)

    assert only.reason == NOT_ROUTED
    assert only.sentence == (
        "The rule parse_success routes to slack_engineering, engineering_email."
    )


def test_an_escalation_step_is_a_route(records: Records):
    step = {"after_ms": 1, "channels": ["pagerduty_oncall"]}
    records.breached(routing=ROUTING | {"escalation": [step]})
    records.decided("acknowledged", event="escalated")

    assert [one.reason for one in why_not(records.log, "pagerduty_oncall", 0)] == ["acknowledged"]
    assert channels(records.log) == {*ROUTING["channels"], "pagerduty_oncall"}


def test_what_is_older_than_asked_for_is_left_out(records: Records):
    records.breached()
    records.decided("cooldown", "slack_engineering")
    later = records.now_ms + 1

    assert why_not(records.log, "slack_engineering", later) == []


# ------------------------------------------------------------------ commands and prefixes


def test_only_what_follows_from_the_command_answers_it(records: Records):
    answer = CommandAnswer(records.asked("acknowledge"))
    answer.take(records.decision("command_done", cause={"kind": "command", "offset": 5}))
    assert answer.decision is None
    answer.take(records.decision("command_done"))
    answer.take(records.decision("cancelled", delivery="d"))
    assert answer.decision is not None
    assert answer.decision.reason == "command_done"
    assert not answer.refused


def test_a_refusal_is_known_as_one(records: Records):
    for reason in ("command_refused", "unknown_channel", "undeliverable"):
        answer = CommandAnswer(records.asked("test_channel", channel="nobody"))
        answer.take(records.decision(reason))
        assert answer.refused


def test_a_test_message_is_followed_to_its_receivers_answer(records: Records):
    answer = CommandAnswer(records.asked("test_channel", channel="slack_engineering"))
    delivery = {"delivery": "d", "parcel": "d", "event": "test"}
    other = {"kind": "delivery"}
    answer.take(records.decision("due", "slack_engineering", **delivery))
    answer.take(records.decision("retry", "slack_engineering", cause=other, **delivery))
    assert answer.retry is not None
    assert answer.outcome is None
    answer.take(records.decision("sent", "slack_engineering", cause=other, delivery="another"))
    assert answer.outcome is None
    answer.take(records.decision("gave_up", "slack_engineering", cause=other, **delivery))
    assert answer.refused


def test_a_prefix_finds_as_git_does():
    known = ["abcd1", "abcd2", "abef3", "abcd"]

    def found(prefix: str) -> str:
        return find(prefix, known, "alert", "opwatch alerts list --all")

    assert found("abef") == "abef3"
    assert found("abcd") == "abcd"
    assert found("abcd2") == "abcd2"
    for prefix, said in (("ab", "too short"), ("zzzz", "there is no alert 'zzzz'")):
        with pytest.raises(Unfound, match=said):
            found(prefix)
    with pytest.raises(Unfound, match="'abcdx' could be abcdx1, abcdx2: write more"):
        find("abcdx", ["abcdx1", "abcdx2"], "alert", "x")


def test_a_channel_is_gone_from_its_410_until_it_takes_a_message():
    records = Records()
    of_nobody = records.decision("no_channel")
    refused = records.decision("gave_up", "hook", gave_up="refused")
    gone = records.decision("gave_up", "hook", gave_up="channel_gone")
    other = records.decision("sent", "slack")
    taken = records.decision("sent", "hook")
    assert channels_gone([of_nobody, refused]) == {}
    assert channels_gone([gone, other]) == {"hook": why_gone("hook")}
    assert channels_gone([gone, refused, taken]) == {}
