"""Publish a scenario's windows as the worker does, evaluate the rules, and return the openings."""

import math
from typing import NamedTuple

import msgspec
import orjson

from benchmarks.signal_traffic import PARTS, Scenario
from schemas.fields import Sums
from schemas.rule_file import RuleFile
from schemas.spans import MINUTE_MS
from streams.measure.aggregate import figures_of
from streams.measure.trend import MAX_P, Counts, trend
from streams.measure.window_times import CHILD, SIZE_MS, TREND_SIZES
from streams.rules.aggregate_reader import (
    OperationsRecord,
    SummedRecord,
)
from streams.rules.evaluator import Evaluator

#: Monday, 2026-03-02 00:00 UTC.
START_MS = 1_772_409_600_000
GRACE_MS = 10_000
_LARGER = ("5m", "1h", "6h", "24h")
_A_MS = 12.0
PLAIN_TREND = "plain_trend"


class Opening(NamedTuple):
    """A breach that opened, and the event time at that moment."""

    rule: str
    platform: str | None
    at_ms: int
    """Since the scenario's start."""


def replay(scenario: Scenario, rules: RuleFile) -> list[Opening]:
    """Return the breaches that open."""
    return _Replay(scenario, rules).run()


class _Replay:
    """The log of a partition, written and read in the order of event time."""

    def __init__(self, scenario: Scenario, rules: RuleFile) -> None:
        self._evaluation = Evaluator(rules, "signal")
        self._minutes = scenario.minutes
        self._finals_until = scenario.finals_until
        names: list[str | None] = sorted(scenario.operations)  # type: ignore[assignment]
        if scenario.total:
            names.append(None)
        self._series = [_Series(scenario, name) for name in names]
        self._offset = 0
        self._found: list[Opening] = []

    def run(self) -> list[Opening]:
        for minute in range(self._minutes):
            start_ms = minute * MINUTE_MS
            for part in range(1, PARTS + 1) if minute >= self._finals_until else ():
                for series in self._series:
                    record = series.minute(minute, part, final=False)
                    self._publish(record, start_ms + part * MINUTE_MS // PARTS)
            self._finals(minute, start_ms + MINUTE_MS + GRACE_MS)
        return self._found

    def _finals(self, minute: int, at_ms: int) -> None:
        for series in self._series:
            self._publish(series.minute(minute, PARTS, final=True), at_ms)
        end = minute + 1
        for size in (size for size in _LARGER if end * MINUTE_MS % SIZE_MS[size] == 0):
            for series in self._series:
                self._publish(series.larger(size, end), at_ms)
                if size == "1h" and series.begins_to_degrade_plainly():
                    self._found.append(Opening(PLAIN_TREND, series.platform, at_ms))

    def _publish(self, record: OperationsRecord | None, at_ms: int) -> None:
        if record is None:
            return
        for breach in self._evaluation.evaluate(self._offset, START_MS + at_ms, record):
            body = orjson.loads(breach.value)
            if body["state"] == "opened":
                self._found.append(Opening(body["rule"], body["labels"].get("platform"), at_ms))
        self._offset += 1


class _Series:
    """The counts of a platform, or of all platforms together, until now."""

    def __init__(self, scenario: Scenario, platform: str | None) -> None:
        self.platform = platform
        self._fields = {"operation": "*", "platform": platform}
        names = [platform] if platform else list(scenario.operations)
        counted = sum(scenario.operations[name] for name in names)
        failed = sum(scenario.failures[name] for name in names)
        self._count = counted.cumsum(axis=1).tolist()
        self._failed = failed.cumsum(axis=1).tolist()
        self._windows: dict[str, list[tuple[int, int]]] = {size: [] for size in ("1m", *_LARGER)}
        self._degraded = False

    def minute(self, minute: int, part: int, *, final: bool) -> OperationsRecord | None:
        counts = self._count[minute][part - 1], self._failed[minute][part - 1]
        if final:
            self._windows["1m"].append(counts)
        elif part > 1 and counts[0] == self._count[minute][part - 2]:
            return None
        return self._record("1m", minute, counts, final=final)

    def larger(self, size: str, end: int) -> OperationsRecord | None:
        child = CHILD[size]
        parts = SIZE_MS[size] // SIZE_MS[child]
        children = self._windows[child][-parts:]
        counts = sum(n for n, _ in children), sum(f for _, f in children)
        self._windows[size].append(counts)
        verdict = None
        if size in TREND_SIZES and counts[0]:
            verdict = trend(*self._compared(size)).model_dump()
        start = end - SIZE_MS[size] // MINUTE_MS
        return self._record(size, start, counts, final=True, verdict=verdict)

    def _compared(self, size: str) -> tuple[Counts, Counts]:
        """Return the children of the window before, and those of the last one."""
        parts = SIZE_MS[size] // SIZE_MS[CHILD[size]]
        children = self._windows[CHILD[size]]
        before, now = children[-2 * parts : -parts], children[-parts:]
        while now and not now[-1][0]:
            now = now[:-1]
        return before, now

    def begins_to_degrade_plainly(self) -> bool:
        """Return whether a test that takes failures as independent finds the hour degrading now."""
        (n0, f0), (n1, f1) = (
            (sum(n for n, _ in hour), sum(f for _, f in hour)) for hour in self._compared("1h")
        )
        before, self._degraded = self._degraded, False
        if n0 and n1 and f1 / n1 > f0 / n0:
            pooled = (f0 + f1) / (n0 + n1)
            z = (f1 / n1 - f0 / n0) / math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
            self._degraded = math.erfc(z / math.sqrt(2)) < MAX_P
        return self._degraded and not before

    def _record(
        self,
        size,
        start: int,
        counts: tuple[int, int],
        *,
        final: bool,
        verdict: dict | None = None,
    ) -> OperationsRecord | None:
        count, failed = counts
        if not count:
            return None
        start_ms = START_MS + start * MINUTE_MS
        fields = {
            "kind": "operations",
            "series": self._fields,
            "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]},
            "revision": count,
            "final": final,
            "trend": verdict,
        }
        sums = Sums(count, count - failed, round(count * _A_MS * 1000))
        return msgspec.convert(fields | figures_of(sums), SummedRecord)
