"""Put what a row knows of a service's window into the form that is published."""

from typing import NamedTuple

import msgspec

from schemas.series import WindowSize
from streams.measure.aggregates import aggregate_key
from streams.measure.series import service_series
from streams.measure.sizes import HOUR_MS, SIZE_MS, window_start
from streams.services.heartbeats import HEALTHS
from streams.services.service_rows import SILENT, Row, Span, public

_STATUS = (*HEALTHS, "unknown", "down")
_encode = msgspec.json.Encoder().encode


class Moment(NamedTuple):
    """When it is said."""

    seen_ms: int
    """Up to here the log was read."""
    now_ms: int
    grace_ms: int
    """A window is final when it was read so far past its end."""


class Publication(NamedTuple):
    """A revision to publish."""

    series: str
    key: bytes
    value: bytes
    final: bool


def publication(
    row: Row, size: WindowSize, start_ms: int, spans: list[Span], moment: Moment
) -> Publication | None:
    """Return a schemas.aggregates.ServiceAggregate with the row's next revision.

    None: nothing is known of a window that is long over, since nobody listened.
    """
    window_end_ms = start_ms + SIZE_MS[size]
    end_ms = min(window_end_ms, moment.seen_ms)
    until = [
        span._replace(end_ms=min(span.end_ms, end_ms)) for span in spans if span.start_ms < end_ms
    ]
    times = row.times(size, start_ms, until)
    known_ms = times.known
    if not until or (not known_ms and end_ms < moment.seen_ms - HOUR_MS):
        return None
    health = until[-1].health
    speaks = row.speaks_at(end_ms)
    row.revision = max(row.revision + 1, moment.now_ms)
    final = window_end_ms + moment.grace_ms <= moment.seen_ms
    value = {
        "version": 1,
        "kind": "service",
        "series": {"service": row.service},
        "window": {"size": size, "start_ms": start_ms, "end_ms": window_end_ms},
        "revision": row.revision,
        "final": final,
        "status": _STATUS[health],
        "since_ms": _since(row, until, is_now=end_ms == spans[-1].end_ms),
        "silent": health == SILENT,
        "last_beat_ms": speaks.sent_ms if speaks else None,
        "every_s": (speaks or row.beats[0]).every_ms / 1000,
        "message": speaks.message if speaks and public(health) == speaks.health else None,
        "up_ms": times.up,
        "degraded_ms": times.degraded,
        "down_ms": times.down,
        "unknown_ms": end_ms - start_ms - known_ms,
        "uptime": (times.up + times.degraded) / known_ms if known_ms else None,
        "forgotten": False,
    }
    series = service_series(row.service)
    return Publication(series, aggregate_key(series, size, start_ms), _encode(value), final)


def farewell(row: Row, moment: Moment) -> Publication:
    """Return the last aggregate of a service that is no more: a minute, final and unknown."""
    newest = row.newest
    assert newest is not None
    start_ms = window_start("1m", moment.seen_ms)
    row.revision = max(row.revision + 1, moment.now_ms)
    value = {
        "version": 1,
        "kind": "service",
        "series": {"service": row.service},
        "window": {"size": "1m", "start_ms": start_ms, "end_ms": start_ms + SIZE_MS["1m"]},
        "revision": row.revision,
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
    series = service_series(row.service)
    return Publication(series, aggregate_key(series, "1m", start_ms), _encode(value), final=True)


def _since(row: Row, until: list[Span], *, is_now: bool) -> int:
    """Return since when it is as it is at the end of some spans; our own outage ends no silence."""
    since_ms = row.since(until)
    if until[-1].health == SILENT and is_now and row.silent_since_ms is not None:
        since_ms = min(since_ms, row.silent_since_ms)
    return since_ms
