"""The topics' records tell an alert's story in order."""

from streams.audit.why import Undelivered, history
from tests.unit.streams.audit.samples import FINGERPRINT, HOUR_MS
from tests.unit.streams.story_samples import OPENED_MS, Records, breach, resolved


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
