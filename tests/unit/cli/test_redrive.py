import json
from typing import Any

import pytest

from agents.alert.alert_log import StoredDeadLetter
from agents.cli.deadletters import first_line
from agents.cli.printing import when
from agents.cli.redrive_checks import (
    NotRedriven,
    Publish,
    RetryDelivery,
    after_fix,
    before_fix,
    retry_delivery,
    times_in,
)
from agents.runtime.settings import Settings
from schemas.dead_letters import DeadLetter
from streams.channels.text_format import span

SETTINGS = Settings(_env_file=None)
NOW_MS = 1_772_600_760_000
HOUR_MS = 3_600_000


def operation(**fields: Any) -> dict[str, Any]:
    return {
        "id": "a",
        "operation": "parse",
        "occurred_at": NOW_MS,
        "success": True,
        "duration_ms": 1,
    } | fields


def letter(**fields: Any) -> StoredDeadLetter:
    about = DeadLetter.model_validate(
        {
            "reason": "invalid_operation",
            "detail": "",
            "topic": "opwatch.operations",
            "partition": 0,
            "offset": 1,
            "timestamp_ms": NOW_MS,
            "size_bytes": 2,
            "sha256": "",
        }
        | fields
    )
    return StoredDeadLetter(key=about.key, about=about, value=b"", refused_at_ms=NOW_MS)


def judged(*operations: dict[str, Any], array: bool = False, **about: Any) -> Publish | NotRedriven:
    body = list(operations) if array or len(operations) != 1 else operations[0]
    return after_fix(letter(**about), json.dumps(body).encode(), NOW_MS, SETTINGS)


def test_what_is_good_goes_as_it_is():
    text = json.dumps(operation()).encode()
    assert after_fix(letter(), text, NOW_MS, SETTINGS) == Publish(text)
    assert isinstance(judged(operation(), operation(id="b")), Publish)
    assert before_fix(letter(), None, SETTINGS) is None


@pytest.mark.parametrize(
    ("age_ms", "goes"), [(HOUR_MS, True), (HOUR_MS + 1, False), (-60_000, True), (-60_001, False)]
)
def test_the_limits_are_those_of_the_worker(age_ms: int, goes: bool):
    assert isinstance(judged(operation(occurred_at=NOW_MS - age_ms)), Publish) is goes


def test_the_oldest_of_an_array_decides():
    answer = judged(operation(), operation(occurred_at=NOW_MS - 11_520_000))
    assert answer == NotRedriven("happened 3 h 12 min ago; windows close after 1 h")


def test_an_element_stays_one_operation():
    assert isinstance(judged(operation(), index=3), Publish)
    assert isinstance(judged(operation(), array=True, index=3), NotRedriven)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"[]", "an array without operations"),
        (b"\xff", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"null", "should be an object"),
        (json.dumps(operation(success=1)).encode(), "success: should be a valid boolean, not 1"),
        (
            json.dumps([operation(), operation(id="")]).encode(),
            "element 1: id: ",
        ),
        (b"{}", "id: is missing; operation: is missing; "),
    ],
)
def test_what_would_be_refused_again_says_why(value: bytes, why: str):
    answer = times_in(value, element=False)
    assert isinstance(answer, NotRedriven)
    assert answer.why.startswith("would be refused again: ")
    assert why in answer.why


def test_what_was_redriven_is_told_apart():
    answer = before_fix(letter(), NOW_MS, SETTINGS)
    assert answer == NotRedriven("was already redriven at 2026-03-04 05:06:00 UTC", already=True)


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"truncated": True, "size_bytes": 100_000}, "is truncated: 100,000 bytes"),
        ({"topic": "opwatch.partials"}, "came from opwatch.partials"),
        ({"reason": "window_expired", "detail": "3 operations"}, "cannot count any more: 3 op"),
    ],
)
def test_what_no_fix_can_mend_is_refused(about: dict[str, Any], why: str):
    answer = before_fix(letter(**about), None, SETTINGS)
    assert answer is not None
    assert answer.why.startswith(why)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (11_520_000, "3 h 12 min"),
        (90_061_000, "1 d 1 h"),
        (1.7e12, "19,675 d 22 h"),
    ],
)
def test_spans_read_well(milliseconds: float, text: str):
    assert span(milliseconds) == text


def test_a_time_beyond_the_calendar_is_still_told():
    assert when(10**17) == "100000000000000000 ms"


def test_bytes_are_shown_in_one_harmless_line():
    assert first_line(b"a\nb\x1b[31m\xff", 80) == "a\\nb\\x1b[31m\ufffd"
    assert first_line(b"x" * 100, 10) == "x" * 9 + "…"


def test_a_message_is_tried_again_and_never_mended():
    given_up = letter(topic="opwatch.breaches", reason="undelivered", delivery="d1", truncated=True)

    assert given_up.key == "opwatch.breaches/0/1/d1"
    assert before_fix(given_up, None, SETTINGS) is None
    assert retry_delivery("d1", None) == RetryDelivery("d1")
    assert isinstance(retry_delivery("d1", "cat"), NotRedriven)
    already = before_fix(given_up, NOW_MS, SETTINGS)
    assert already is not None
    assert already.already
