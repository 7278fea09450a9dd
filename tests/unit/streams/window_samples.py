"""Small windows of a target partition, and what is told to them."""

import json

import numpy as np

from schemas.fields import Sums
from schemas.partials import ExemplarRow, PartialRow, Stats
from streams.measure.digests import ENGINES, pack
from streams.measure.watermarks import Reached
from streams.measure.window_times import TimeLimits
from streams.measure.windows import Windows

ENGINE = ENGINES["fastdigest"]
TIMES = TimeLimits(lateness_ms=3_600_000, future_ms=60_000, grace_ms=10_000)
#: Monday 2026-09-21 00:00 UTC.
MONDAY_MS = 1_789_948_800_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
KEPT_MS = HOUR_MS + MINUTE_MS + 10_000


def stats(count=1, failures=0):
    return Stats(
        Sums(count, count - failures, count * 2_500, hits=count),
        count * 6.25,
        2.5,
        2.5,
        pack(np.full(count, 2.5)),
        (ExemplarRow(False, 2.5, "a", None),),
    )


def row(count=1, at_ms=MONDAY_MS, offset=None, series="*", failures=0):
    offset = count - 1 if offset is None else offset
    return PartialRow(series, at_ms // MINUTE_MS, offset, stats(count, failures))


def made(sources=1, limit=100, packed=None):
    return Windows(0, sources, {} if packed is None else packed, TIMES, ENGINE, limit)


def read_to(windows, time_ms, source=0):
    """Say that a source was read to its end and quiet up to a time."""
    windows.progress(Reached(1 << source, time_ms, MONDAY_MS + time_ms))


def beat(windows, now_ms=0):
    """Publish all that is due, as (size, minutes past Monday, count, final); write it."""
    windows.advance(now_ms)
    told = []
    for one in windows.collect(now_ms):
        windows.confirm(one)
        aggregate = json.loads(one.value)
        place = (aggregate["window"]["start_ms"] - MONDAY_MS) // MINUTE_MS
        told.append((aggregate["window"]["size"], place, aggregate["count"], aggregate["final"]))
    windows.retire()
    windows.take_changes()
    return told
