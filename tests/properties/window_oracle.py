"""Count every operation of a log in each window that it is in, by a loop of its own."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from streams.measure.window_times import SIZES, window_start
from tests.promise import documented
from tests.properties.worlds import Record


class Totals:
    """What an oracle knows of a window: a loop over its events."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def sums(self) -> dict[str, Any]:
        events = self.events
        lookups = [event["cache"] for event in events if event.get("cache")]
        ttls = [event["cache_ttl_s"] for event in events if event.get("cache_ttl_s") is not None]
        sure = [event["confidence"] for event in events if event.get("confidence") is not None]
        durations = [event["duration_ms"] for event in events]
        return {
            "count": len(events),
            "successes": sum(event["success"] for event in events),
            "duration_us": sum(round(duration * 1000) for duration in durations),
            "min_ms": min(durations),
            "max_ms": max(durations),
            "hits": lookups.count("hit"),
            "misses": lookups.count("miss"),
            "evictions": sum(event.get("cache_evictions", 0) for event in events),
            "ttl_count": len(ttls),
            "ttl_ms": sum(round(ttl * 1000) for ttl in ttls),
            "confidence_count": len(sure),
            "confidence_ppm": sum(round(one * 1_000_000) for one in sure),
        }

    def failures_by_type(self) -> Counter[str]:
        return Counter(
            event["error_type"]
            for event in self.events
            if not event["success"] and event.get("error_type")
        )

    def samples(self) -> list[float]:
        return sorted(float(np.float32(event["duration_ms"])) for event in self.events)

    def best(self) -> list[tuple[bool, float]]:
        worth = sorted(((not e["success"], e["duration_ms"]) for e in self.events), reverse=True)
        return worth[:3]


def series_of(event: dict[str, Any]) -> list[str]:
    """Return the six series an event counts in."""
    names = [
        "*",
        f'*{{platform="{event["platform"]}"}}',
        event["operation"],
        f'{event["operation"]}{{platform="{event["platform"]}"}}',
    ]
    sure = event.get("confidence")
    if sure is not None:
        level = "low" if sure < 0.5 else "medium" if sure < 0.8 else "high"
        names += [f'*{{confidence="{level}"}}', f'{event["operation"]}{{confidence="{level}"}}']
    return names


def when_of(event: dict[str, Any]) -> int:
    when = event["occurred_at"]
    if isinstance(when, int):
        return when
    return round(datetime.fromisoformat(when).timestamp() * 1000)


def oracle(logs: Sequence[Sequence[Record]]) -> dict[tuple[str, str, int], Totals]:
    """Count every event of the logs in every window it is in."""
    known: dict[tuple[str, str, int], Totals] = defaultdict(Totals)
    for log in logs:
        for one in log:
            for event in events_of(one):
                for series in series_of(event):
                    for size in SIZES:
                        known[series, size, window_start(size, when_of(event))].add(event)
    return known


def events_of(one: Record) -> list[dict[str, Any]]:
    try:
        value = json.loads(one.value or b"")
    except ValueError:
        return []
    return value if isinstance(value, list) else [value]


def assert_equals_oracle(published: Any, totals: Totals) -> None:
    """Compare an aggregate with what a loop over its events says."""
    sums, durations, cache = totals.sums(), published["duration_ms"], published["cache"]
    assert published["count"] == published["revision"] == sums["count"]
    assert published["successes"] == sums["successes"]
    assert published["failures"] == sums["count"] - sums["successes"]
    assert durations["sum"] == sums["duration_us"] / 1000
    assert (durations["min"], durations["max"]) == (sums["min_ms"], sums["max_ms"])
    assert (cache["hits"], cache["misses"]) == (sums["hits"], sums["misses"])
    assert cache["evictions"] == sums["evictions"]
    assert published["confidence_count"] == sums["confidence_count"]
    exact = np.array([event["duration_ms"] for event in totals.events])
    assert np.isclose(durations["std_dev"], exact.std(), rtol=1e-3, atol=1e-2)
    told = documented("centroids")(published["digest"])
    means = [float(np.float32(mean)) for mean, weight in told for _ in range(weight)]
    assert sorted(means) == totals.samples()
    worth = [(not one["success"], one["duration_ms"]) for one in published["exemplars"]]
    assert worth == totals.best()
    types = totals.failures_by_type()
    top = sorted(types.items(), key=lambda item: (-item[1], item[0]))[:10]
    failures = published["failures_by_type"]
    assert failures["most_frequent"] == [{"name": name, "count": count} for name, count in top]
    assert failures["other"] == types.total() - sum(count for _, count in top)
    assert failures["unnamed"] == published["failures"] - types.total()
