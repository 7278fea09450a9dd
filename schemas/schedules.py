"""Read and use schedules: `every sat 02:00-04:00 Europe/Berlin`, as Alertmanager's time intervals.

Several stand with semicolons between them. Times are of the named zone, by its summer time too;
without a zone they are UTC. `22:00-06:00` ends on the next day.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_TEXT = 500
_PART = re.compile(
    r"(?:every\s+)?(?P<days>[a-z,-]+)\s+(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)"
    r"(?:\s+(?P<zone>[A-Za-z0-9_+/-]+))?"
)
_DAY_MINUTES = 24 * 60
_WRITE = "write every sat 02:00-04:00 Europe/Berlin, or every mon-fri 22:00-06:00 UTC"


class Interval(NamedTuple):
    """A time of some days of the week."""

    days: frozenset[int]
    """On which it starts; Monday is 0."""
    start: int
    """Minutes after midnight."""
    end: int
    """Minutes after the same midnight, after `start`: past 24:00 it is of the next day."""
    zone: ZoneInfo | None

    def spans(self, at_ms: int, days: range = range(-1, 1)) -> Iterator[tuple[int, int]]:
        """Yield the start and end of the intervals that begin on some days, epoch ms.

        Args:
            at_ms: a time.
            days: counted from its day; by default those whose intervals may contain it.
        """
        local = datetime.fromtimestamp(at_ms / 1000, self.zone or UTC).date()
        for day in (local + timedelta(days=further) for further in days):
            if day.weekday() in self.days:
                yield self._moment(day, self.start), self._moment(day, self.end)

    def _moment(self, day: date, minutes: int) -> int:
        further, minutes = divmod(minutes, _DAY_MINUTES)
        at = datetime.combine(day + timedelta(days=further), time(*divmod(minutes, 60)))
        return int(at.replace(tzinfo=self.zone or UTC).timestamp() * 1000)


@lru_cache(maxsize=1_000)
def parse(text: str) -> tuple[Interval, ...]:
    """Return the intervals of a schedule.

    Raises:
        ValueError: it is none; the message says what to write.
    """
    if len(text) > MAX_TEXT:
        message = f"a schedule is longer than {MAX_TEXT} characters"
        raise ValueError(message)
    return tuple(_interval(part.strip()) for part in text.split(";"))


def _interval(text: str) -> Interval:
    match = _PART.fullmatch(text)
    if match is None:
        message = f"{text!r} is no schedule: {_WRITE}"
        raise ValueError(message)
    start, end = _minutes(match["start"]), _minutes(match["end"])
    if start == _DAY_MINUTES or end == start:
        message = f"{text!r} is no schedule: it has no length"
        raise ValueError(message)
    return Interval(
        days=frozenset(_days(match["days"])),
        start=start,
        end=end if end > start else end + _DAY_MINUTES,
        zone=None if match["zone"] in (None, "UTC") else _zone(match["zone"]),
    )


def _minutes(text: str) -> int:
    hours, minutes = map(int, text.split(":"))
    whole = 60 * hours + minutes
    if minutes >= 60 or whole > _DAY_MINUTES:  # noqa: PLR2004, RUF100 - minutes of an hour
        message = f"{text} is no time of a day: write 00:00 to 24:00"
        raise ValueError(message)
    return whole


def _days(text: str) -> Iterator[int]:
    for part in text.split(","):
        if part in ("day", "daily"):
            yield from range(7)
            continue
        first, dash, last = part.partition("-")
        for name in (first, last if dash else first):
            if name not in DAYS:
                message = f"{name!r} is no day: write {', '.join(DAYS)}, or day"
                raise ValueError(message)
        begin, length = DAYS.index(first), 1
        if dash:
            length = (DAYS.index(last) - begin) % 7 + 1
        yield from ((begin + further) % 7 for further in range(length))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found; a path; a folder such as Europe
        message = f"{name!r} is no time zone: write one such as Europe/Berlin, or UTC"
        raise ValueError(message) from None


def problem(text: str) -> str | None:
    """Return why a text is no schedule; None if it is one."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


def in_force_until_ms(schedule: str, at_ms: int) -> int | None:
    """Return when the interval ends that a time lies in; None if it lies in none.

    Intervals that touch, or overlap, count each by itself. What is no schedule has none: anybody
    may write to `commands`.
    """
    try:
        intervals = parse(schedule)
    except ValueError:
        return None
    ends = [
        end
        for interval in intervals
        for start, end in interval.spans(at_ms)
        if start <= at_ms < end
    ]
    return max(ends, default=None)


class Muted(NamedTuple):
    """Why an alert is muted, and until when."""

    name: str
    """The interval that mutes it; outside of active intervals, all of these."""
    until_ms: int
    why: str
    """For a sentence, after a colon."""


def muted(mute: Mapping[str, str], active: Mapping[str, str], at_ms: int) -> Muted | None:
    """Return what mutes an alert at a time; None if nothing does.

    Args:
        mute: schedules by name: it is muted in them.
        active: schedules by name: if there are any, it is muted outside all of them.
        at_ms: the time.
    """
    ends = [
        (end_ms, name)
        for name, schedule in mute.items()
        if (end_ms := in_force_until_ms(schedule, at_ms)) is not None
    ]
    if ends:
        end_ms, name = max(ends)
        return Muted(name, end_ms, f"{name} ({mute[name]})")
    schedules = [it for it in active.values() if problem(it) is None]
    if not schedules or any(in_force_until_ms(it, at_ms) is not None for it in schedules):
        return None
    named = ", ".join(f"{name} ({schedule})" for name, schedule in active.items())
    start_ms = min(_next_start_ms(it, at_ms) for it in schedules)
    return Muted(", ".join(active), start_ms, f"outside {named}")


def _next_start_ms(schedule: str, at_ms: int) -> int:
    # One of a week may fall into the hour that summer time skips: the week after has the next.
    days = range(16)
    spans = (span for interval in parse(schedule) for span in interval.spans(at_ms, days))
    return min(start for start, end in spans if start > at_ms and end > start)
