"""Measure the processor time of one published window, without a broker."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.load import MINUTE_MS, Records, values_of
from streams.measure.blocks import Block
from streams.measure.digests import ENGINES
from streams.measure.operation_reader import read_events
from streams.measure.window_times import SeriesWindow, TimeLimits
from streams.measure.windows import Windows

_LIMITS = TimeLimits(lateness_ms=60 * MINUTE_MS, future_ms=MINUTE_MS, grace_ms=10_000)
_START_MS = 1_790_000_000_000 // (60 * MINUTE_MS) * 60 * MINUTE_MS
#: 1,000 operations a second over 500 series, for 100 seconds.
_RECORDS = Records(
    events=100_000,
    start_ms=_START_MS,
    per_minute=60_000,
    operations=9,
    platforms=46,
    closing=False,
)
_SOURCES = 8
_SENT_EACH_MS = 600
#: Runs, of which the fastest counts, since other work on the machine slows them; windows in a run.
_RUNS, _TOGETHER = 15, 25


class _Record:
    def __init__(self, offset: int, timestamp: int, value: bytes) -> None:
        self.offset, self.timestamp, self.value = offset, timestamp, value


def filled() -> Windows:
    """Return windows that the operations are folded into, as partials of live traffic do."""
    windows = Windows(0, _SOURCES, {}, _LIMITS, ENGINES["fastdigest"], 100_000)
    waiting: list[list[_Record]] = [[] for _ in range(_SOURCES)]
    blocks = [Block(0) for _ in range(_SOURCES)]
    sent = [-1] * _SOURCES
    sent_ms = _START_MS
    for number, (_, when_ms, value) in enumerate(values_of(_RECORDS)):
        if when_ms - sent_ms >= _SENT_EACH_MS:
            sent_ms = when_ms
            for source in range(_SOURCES):
                blocks[source] = _send(windows, source, blocks[source], sent, waiting[source])
                waiting[source] = []
        waiting[number % _SOURCES].append(_Record(number // _SOURCES, when_ms, value))
    return windows


def _send(
    windows: Windows, source: int, block: Block, sent: list[int], records: Sequence[_Record]
) -> Block:
    """Fold records into a source's block, and that into the windows; return the open block."""
    events, _ = read_events(records, _LIMITS)
    at = 0
    while True:
        at = block.take(events, at)
        end = records[-1].offset + 1 if block.end is None else block.end
        windows.apply(source, block.start, block.fold(sent[source]), 0, end)
        sent[source] = end - 1
        if block.end is None:
            return block
        block = Block(block.end)


def cost_us(windows: Windows, published: Sequence[SeriesWindow], *, final: bool) -> float:
    """Return the microseconds of a window's revision."""
    least_s = 0.0
    for first in range(0, len(published), _TOGETHER):
        together = published[first : first + _TOGETHER]
        runs = []
        for _ in range(_RUNS):
            began = time.thread_time()
            for window in together:
                windows._revision(window, final=final)  # noqa: SLF001 - one, again and again
            runs.append(time.thread_time() - began)
        least_s += min(runs)
    return least_s / len(published) * 1e6


def window_cost() -> dict[str, float]:
    """Return the microseconds of a minute of 120 operations and of five minutes, by finality."""
    windows = filled()
    minutes = [
        window._replace(size="1m", start_ms=_START_MS)
        for window in map(SeriesWindow.of_key, _row_keys(windows))
    ]
    figures = {}
    for size in ("1m", "5m"):
        published = [minute._replace(size=size) for minute in minutes]
        for name, final in (("provisional", False), ("final", True)):
            figures[f"window_{size}_{name}_us"] = cost_us(windows, published, final=final)
    counts = [windows._table.state(minute).count() for minute in minutes]  # noqa: SLF001 - as above
    return figures | {"window_1m_operations": float(np.mean(counts))}


def _row_keys(windows: Windows) -> list[bytes]:
    windows.take_changes()
    return [key for key in windows._packed if key.startswith(b"5m/")]  # noqa: SLF001 - as above
