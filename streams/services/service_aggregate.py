"""Make the aggregate of a service's window that is published."""

from typing import NamedTuple

import msgspec

from schemas.series import WindowSize
from schemas.spans import HOUR_MS
from streams.measure.aggregate import aggregate_key
from streams.measure.series import service_series
from streams.measure.window_times import SIZE_MS, window_start
from streams.services.missed_beats import HEALTHS
from streams.services.service_state import SILENT, HealthSpan, ServiceState, public

_STATUS = (*HEALTHS, "unknown", "down")
_encode = msgspec.json.Encoder().encode


class ReadingTime(NamedTuple):
    """When an aggregate is made, and how far the log was read."""

    seen_ms: int
    """The log was read up to here."""
    now_ms: int
    grace_ms: int
    """A window is final when the log was read this far past its end."""


class ServiceRevision(NamedTuple):
    """A service window's revision to publish."""

    series: str
    key: bytes
    value: bytes
    final: bool


def revision_of_window(
    state: ServiceState,
    size: WindowSize,
    start_ms: int,
    spans: list[HealthSpan],
    moment: ReadingTime,
) -> ServiceRevision | None:
    """Return a schemas.aggregates.ServiceAggregate with the service's next revision.

    None: the window is long over and nothing is known of it, because nobody read the log then.
    """
    window_end_ms = start_ms + SIZE_MS[size]
    end_ms = min(window_end_ms, moment.seen_ms)
    until = [
        span._replace(end_ms=min(span.end_ms, end_ms)) for span in spans if span.start_ms < end_ms
    ]
    times = state.times(size, start_ms, until)
    known_ms = times.total
    if not until or (not known_ms and end_ms < moment.seen_ms - HOUR_MS):
        return None
    health = until[-1].health
    beat = state.beat_at(end_ms)
    state.revision = max(state.revision + 1, moment.now_ms)
    final = window_end_ms + moment.grace_ms <= moment.seen_ms
    value = {
        "version": 1,
        "kind": "service",
        "series": {"service": state.service},
        "window": {"size": size, "start_ms": start_ms, "end_ms": window_end_ms},
        "revision": state.revision,
        "final": final,
        "status": _STATUS[health],
        "since_ms": _since(state, until, is_now=end_ms == spans[-1].end_ms),
        "silent": health == SILENT,
        "last_beat_ms": beat.sent_ms if beat else None,
        "every_s": (beat or state.beats[0]).every_ms / 1000,
        "message": beat.message if beat and public(health) == beat.health else None,
        "up_ms": times.up,
        "degraded_ms": times.degraded,
        "down_ms": times.down,
        "unknown_ms": end_ms - start_ms - known_ms,
        "uptime": (times.up + times.degraded) / known_ms if known_ms else None,
        "forgotten": False,
    }
    series = service_series(state.service)
    return ServiceRevision(series, aggregate_key(series, size, start_ms), _encode(value), final)


def last_revision(state: ServiceState, moment: ReadingTime) -> ServiceRevision:
    """Return the last aggregate of a service that is forgotten: a minute, final and unknown."""
    newest = state.newest
    assert newest is not None
    start_ms = window_start("1m", moment.seen_ms)
    state.revision = max(state.revision + 1, moment.now_ms)
    value = {
        "version": 1,
        "kind": "service",
        "series": {"service": state.service},
        "window": {"size": "1m", "start_ms": start_ms, "end_ms": start_ms + SIZE_MS["1m"]},
        "revision": state.revision,
        "final": True,
        "status": "unknown",
        "since_ms": moment.seen_ms,
        "silent": False,
        "last_beat_ms": newest.sent_ms,
        "every_s": newest.every_ms / 1000,
        "message": None,
        "up_ms": 0,
        "degraded_ms": 0,
        "down_ms": 0,
        "unknown_ms": SIZE_MS["1m"],
        "uptime": None,
        "forgotten": True,
    }
    series = service_series(state.service)
    return ServiceRevision(
        series, aggregate_key(series, "1m", start_ms), _encode(value), final=True
    )


def _since(state: ServiceState, until: list[HealthSpan], *, is_now: bool) -> int:
    """Return since when it has its last health; an outage of opwatch ends no silence."""
    since_ms = state.since(until)
    if until[-1].health == SILENT and is_now and state.silent_since_ms is not None:
        since_ms = min(since_ms, state.silent_since_ms)
    return since_ms
