"""Remedies count once each, and say whether the score after them was better."""

import json

import pytest

from streams.dashboard.remediations import RemediationRow, Remediations
from streams.dashboard.spans import TrailingSpan
from tests.unit.streams.dashboard.samples import HOUR_MS, NOON_MS

SPAN = TrailingSpan("1h", NOON_MS, NOON_MS + HOUR_MS)


def request(analysis: str, action: str = "reanalyse", at_ms: int = NOON_MS) -> bytes:
    fields = {"analysis": analysis, "action": action, "overall": 0.5, "requested_at": at_ms}
    return json.dumps(fields).encode()


def score(overall: float | None, remediates: str | None) -> bytes:
    fields = {"analysis": "x", "overall": overall, "remediates": remediates}
    return json.dumps(fields, separators=(",", ":")).encode()


def test_remedies_are_counted_by_what_was_asked_for():
    made = Remediations()
    for value in (request("a"), request("a"), request("b"), request("c", "human_review")):
        made.take_request(value)
    # The past is read after what is live, and again after an error.
    made.take_score(score(0.9, "a"), NOON_MS + 1)
    for value in (score(0.2, "a"), score(0.5, "b"), score(None, "c")):
        made.take_score(value, NOON_MS)
    total, again, by_people = made.rows(SPAN)
    assert total == RemediationRow("*", 3, 2, 1, 0.5, 0.7)
    assert again == RemediationRow("reanalyse", 2, 2, 1, 0.5, 0.7)
    assert by_people == RemediationRow("human_review", 1, 0, 0, None, None)


def test_only_requests_of_the_span_count_of_which_repeats_are_known():
    made = Remediations(since_ms=NOON_MS + 1)
    for at_ms in (NOON_MS - 1, NOON_MS, NOON_MS + 1, NOON_MS + HOUR_MS):
        made.take_request(request(str(at_ms), at_ms=at_ms))
    assert made.rows(SPAN)[0].asked == 1
    assert made.known_from(SPAN) == NOON_MS + 1


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"\xff", b"[]", b'{"analysis":"a"}', request("a" * 201),
        request("a").replace(b"0.5", b"1.5"), score(2.0, "a"), score(0.5, "a" * 201),
        b'{"remediates":"' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_counts_nothing(value: bytes | None):
    made = Remediations()
    made.take_request(value)
    made.take_score(value, NOON_MS)
    assert made.rows(SPAN) == ()
