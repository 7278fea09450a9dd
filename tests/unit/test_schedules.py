"""A schedule is in force exactly when its zone's clock says so."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Silence
from schemas.schedules import DAYS, in_force_until_ms, muted, parse, problem
from tests.effort import examples

SATURDAY = "every sat 02:00-04:00 Europe/Berlin"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def until(schedule: str, at: str) -> str | None:
    end_ms = in_force_until_ms(schedule, ms(at))
    if end_ms is None:
        return None
    return datetime.fromtimestamp(end_ms / 1000, UTC).strftime("%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("schedule", "at", "end"),
    [
        # Saturdays; Berlin is an hour ahead in winter, two in summer.
        (SATURDAY, "2026-11-28T00:59:59", None),
        (SATURDAY, "2026-11-28T01:00", "11-28T03:00"),
        (SATURDAY, "2026-11-28T02:59:59", "11-28T03:00"),
        (SATURDAY, "2026-11-28T03:00", None),
        (SATURDAY, "2026-11-27T01:30", None),
        (SATURDAY, "2026-07-04T00:30", "07-04T02:00"),
        # The night in which the clocks go forward has no 02:00, the other has two.
        ("every sun 02:00-04:00 Europe/Berlin", "2026-03-29T01:30", "03-29T02:00"),
        ("every sun 02:00-04:00 Europe/Berlin", "2026-03-29T02:00", None),
        ("every sun 02:00-04:00 Europe/Berlin", "2026-10-25T00:00", "10-25T03:00"),
        # Past midnight it is of the day on which it starts.
        ("mon-fri 22:00-06:00", "2026-11-27T23:00", "11-28T06:00"),
        ("mon-fri 22:00-06:00", "2026-11-28T05:59", "11-28T06:00"),
        ("mon-fri 22:00-06:00", "2026-11-28T23:00", None),
        ("fri-mon 00:00-24:00", "2026-11-29T12:00", "11-30T00:00"),
        ("fri-mon 00:00-24:00", "2026-12-02T12:00", None),
        ("every day 03:00-03:05 America/New_York", "2026-11-27T08:04", "11-27T08:05"),
        ("tue,thu 10:00-11:00; sat 00:00-24:00 UTC", "2026-11-26T10:30", "11-26T11:00"),
        ("tue,thu 10:00-11:00; sat 00:00-24:00 UTC", "2026-11-28T10:30", "11-29T00:00"),
    ],
)
def test_a_schedule_is_in_force_by_its_zones_clock(schedule: str, at: str, end: str | None):
    assert until(schedule, at) == end


@settings(deadline=None, max_examples=examples(100))
@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
    st.integers(ms("2026-01-01T00:00") // 60_000, ms("2027-12-31T00:00") // 60_000),
)
def test_a_schedule_is_what_a_wall_clock_and_a_calendar_say(days, start, lasts, zone, minute):
    """An independent reading: of the wall's clock, away from the nights in which it changes."""
    at = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone))
    if len({(at + timedelta(days=day)).utcoffset() for day in (-2, -1, 0, 1, 2)}) > 1:
        return
    end = (start + lasts) % 1440
    listed = ",".join(DAYS[day] for day in sorted(days))
    hours = f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    now = at.weekday() * 1440 + at.hour * 60 + at.minute
    starts = [day * 1440 + start for day in days]
    inside = any((now - begin) % (7 * 1440) < lasts for begin in starts)
    found = in_force_until_ms(f"every {listed} {hours} {zone}", minute * 60_000)
    assert (found is not None) is inside
    if found is not None:
        assert 0 < found // 60_000 - minute <= lasts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no schedule: write every sat"),
        ("every sat", "is no schedule"),
        ("every sat 2:00-4:00", "is no schedule"),
        ("every sat 02:00-02:00", "has no length"),
        ("every sat 24:00-25:00", "25:00 is no time of a day"),
        ("every sat 02:60-04:00", "02:60 is no time of a day"),
        ("every saturday 02:00-04:00", "'saturday' is no day: write mon, tue"),
        ("every Sat 02:00-04:00", "is no schedule"),
        ("every sat 02:00-04:00 Berlin", "'Berlin' is no time zone"),
        ("every sat 02:00-04:00 Europe", "'Europe' is no time zone"),
        ("every sat 02:00-04:00 ../../etc/passwd", "is no schedule"),
        ("every sat 02:00-04:00 /etc/passwd", "is no time zone"),
        ("x" * 501, "longer than 500 characters"),
    ],
)
def test_what_is_no_schedule_says_what_to_write(text: str, why: str):
    assert why in (problem(text) or "")


@settings(deadline=None, max_examples=examples(50))
@given(st.text(max_size=60), st.integers(0, 2**41))
def test_no_text_is_a_traceback(text: str, at_ms: int):
    end_ms = in_force_until_ms(text, at_ms)
    if problem(text) is None:
        assert parse(text)
    else:
        assert end_ms is None


MORNING = {"office_hours": "every mon-fri 09:00-18:00 Europe/Berlin"}
#: On 29 March 2026 it ends before it begins: clocks go from 02:00 to 03:00.
SKIPPED = {"sunday": "every sun 02:30-03:15 Europe/Berlin"}
NIGHT = {"maintenance": SATURDAY, "night": "every day 02:30-02:45 Europe/Berlin"}


@pytest.mark.parametrize(
    ("mute", "active", "at", "name", "end"),
    [
        (NIGHT, {}, "2026-11-28T01:35", "maintenance", "11-28T03:00"),  # the longer one
        (NIGHT, {}, "2026-11-27T01:35", "night", "11-27T01:45"),
        (NIGHT, {}, "2026-11-27T12:00", None, None),
        ({}, MORNING, "2026-11-27T12:00", None, None),
        ({}, MORNING, "2026-11-27T17:00", "office_hours", "11-30T08:00"),  # over the weekend
        (
            {},
            MORNING | NIGHT,
            "2026-11-27T17:00",
            "office_hours, maintenance, night",
            "11-28T01:00",
        ),
        (NIGHT, MORNING, "2026-11-28T01:35", "maintenance", "11-28T03:00"),  # then it is outside
        ({}, SKIPPED, "2026-03-22T12:00", "sunday", "04-05T00:30"),
        ({}, SKIPPED, "2026-03-23T12:00", "sunday", "04-05T00:30"),
        # Anybody may write to `breaches`: what is no schedule mutes nothing.
        ({"x": "every caturday 02:00-04:00"}, {"y": ""}, "2026-11-28T01:35", None, None),
        ({}, {}, "2026-11-28T01:35", None, None),
    ],
)
def test_intervals_mute_inside_or_outside(mute, active, at, name, end):
    found = muted(mute, active, ms(at))
    assert (found.name if found else None) == name
    if found:
        assert datetime.fromtimestamp(found.until_ms / 1000, UTC).strftime("%m-%dT%H:%M") == end
        assert name.partition(",")[0] in found.why


@settings(deadline=None, max_examples=examples(30))
@given(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=3),
    st.integers(0, 47),
    st.integers(1, 47),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"]),
    st.integers(ms("2026-01-01T00:00") // 900_000, ms("2027-12-31T00:00") // 900_000),
)
def test_outside_an_interval_the_mute_ends_when_the_next_one_begins(days, start, lasts, zone, at):
    end = (start + lasts) % 48
    clock = [f"{half // 2:02}:{half % 2 * 30:02}" for half in (start, end)]
    schedule = f"every {','.join(days)} {'-'.join(clock)} {zone}"
    at_ms = at * 900_000
    found = muted({}, {"active": schedule}, at_ms)
    assert (found is None) is (in_force_until_ms(schedule, at_ms) is not None)
    if found is not None:
        assert in_force_until_ms(schedule, found.until_ms) is not None
        between = range(at_ms, found.until_ms, 900_000)
        assert all(in_force_until_ms(schedule, it) is None for it in between)


def test_a_silence_by_schedule_ends_no_later_than_the_silence():
    at = ms("2026-11-28T01:30")
    matcher = {"label": "service", "value": "db"}
    times = {"at_ms": 0, "start_ms": 0, "end_ms": 2**41, "every": SATURDAY}
    silence = Silence.model_validate({"id": "s", "by": "ada", "matchers": [matcher]} | times)
    assert silence.until_ms(at, 2**41) == ms("2026-11-28T03:00")
    assert silence.until_ms(at, at + 60_000) == at + 60_000
    assert silence.until_ms(at, at) is None
    assert silence.until_ms(ms("2026-11-28T03:00"), 2**41) is None
