"""An alert opens into its whole story, and is found by what people remember of it."""

import json

import pytest

from streams.audit.status import alert_status, alert_statuses
from streams.audit.why import Undelivered
from streams.dashboard.marks import marks_of
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.stories import alert_story, listed_alerts, notified
from tests.unit.messages.samples import OPENED_MS, breach, resolved
from tests.unit.streams.dashboard.samples import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    books,
    quality,
    read,
)
from tests.unit.streams.story_samples import Records

DAY = TrailingSpan("24h", OPENED_MS - 3_600_000, OPENED_MS + 3_600_000)


def story_of(records: Records):
    letters = [Undelivered("k", "to-pagerduty_oncall", "It was refused.", records.now_ms)]
    status = alert_status(records.log, breach().fingerprint, records.now_ms)
    return alert_story(records.log, status, letters)


def test_a_story_has_who_was_notified_and_why_not_the_newest_first():
    records = Records()
    records.breached()
    records.told("slack_engineering")
    records.decided("below_severity", "pagerduty_oncall")
    found = story_of(records)
    assert [entry.what for entry in found.entries] == ["below severity", "sent", "due", "opened"]
    assert found.observed.startswith("Success rate 81.25 %")
    assert notified(found.status.channels) == [
        ("slack_engineering", "notified"),
        ("pagerduty_oncall", "below severity"),
    ]


def test_episodes_before_stand_apart():
    records = Records()
    records.breached()
    records.breached(resolved())
    records.breached(breach(id="another", opened_ms=OPENED_MS + 900_000))
    found = story_of(records)
    assert (found.episodes, len(found.entries), len(found.earlier)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("search", "severity", "found"),
    [
        ("", "", 1),
        ("parse success", "", 1),
        ("LEVER", "", 1),
        ("slack", "high", 1),
        ("lever ashby", "", 0),
        ("", "critical", 0),
        ("", "nonsense", 1),
    ],
)
def test_alerts_are_found_by_words_and_severity(search: str, severity: str, found: int):
    records = Records()
    records.breached()
    statuses = alert_statuses(records.log, records.now_ms)
    assert len(listed_alerts(statuses, search, severity).open) == found


def test_alerts_that_are_over_are_listed_apart():
    records = Records()
    records.breached()
    records.breached(resolved())
    found = listed_alerts(alert_statuses(records.log, records.now_ms), "", "")
    assert (len(found.open), len(found.over)) == (0, 1)


def test_marks_are_breaches_acknowledgements_and_silences_of_the_series():
    records = Records()
    records.breached()
    offset = records.asked("acknowledge")
    cause = {"kind": "command", "topic": "commands", "offset": offset}
    records.decided("command_done", cause=cause)
    offset = records.asked("silence")
    records.decided("command_done", cause=cause | {"offset": offset})
    records.breached(resolved())
    found = marks_of(records.log, breach().series, DAY)
    assert {mark.kind for mark in found} == {"opened", "acknowledged", "silenced", "resolved"}
    assert marks_of(records.log, "another", DAY) == []


def test_scores_of_another_configuration_begin_with_a_mark():
    def of(minute: int, *hashes: str) -> bytes:
        fields = json.loads(quality(NOON_MS + minute * MINUTE_MS))
        return json.dumps(fields | {"configurations": hashes}).encode()

    made = books(of(-1, "aaaaaaaaaa"), of(0, "aaaaaaaaaa"), of(1), of(2, "aaaaaaaaaa", "bb"))
    made.take(read(of(3, "bb")), 1 << 60)
    span = TrailingSpan("1h", NOON_MS, NOON_MS + HOUR_MS)
    (mark,) = marks_of(Records().log, "*", span, made.quality["overall:*"])
    text = "quality version bb, before aaaaaaaa"
    assert mark == ("version", NOON_MS + 2 * MINUTE_MS, text)
