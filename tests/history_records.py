"""Make records as opwatch publishes them, by its own folding code, for tests of history."""

import json
from typing import Any

import numpy as np

from schemas.fields import Sums, Tallies, Tally
from schemas.partials import ExemplarRow, Stats
from streams.measure.aggregate import aggregate, aggregate_key
from streams.measure.digests import pack_samples
from streams.measure.window_times import SIZE_MS

#: 2026-03-02 00:00 UTC, a Monday.
START_MS = 1_772_409_600_000


def window(
    series: str = "parse",
    size: Any = "1h",
    start_ms: int = START_MS,
    durations: Any = (10.0, 20.0, 30.0),
    failures: int = 1,
    *,
    final: bool = True,
) -> tuple[bytes, bytes]:
    """Return key and value of a window's revision on `aggregates`."""
    assert start_ms % SIZE_MS[size] == 0 or size == "7d"
    durations = np.asarray(durations, np.float64)
    count = len(durations)
    sums = Sums(
        count=count,
        successes=count - failures,
        duration_us=round(float(durations.sum()) * 1000),
        hits=count // 2,
        misses=count - count // 2,
        evictions=count // 3,
        ttl_count=1,
        ttl_ms=60_000,
        confidence_count=count,
        confidence_ppm=900_000 * count,
    )
    stats = Stats(
        sums,
        float((durations**2).sum()),
        float(durations.min()),
        float(durations.max()),
        pack_samples(durations.astype(np.float32), 1_200),
        (ExemplarRow(True, 20.0, "op-1", "Timeout"),) if failures else (),
        Tallies(Tally({"Timeout": failures}) if failures else Tally({})),
    )
    value = aggregate(series, size, start_ms, stats, None, final=final)
    return aggregate_key(series, size, start_ms), value


def changed(record: tuple[bytes, bytes], **fields: Any) -> tuple[bytes, bytes]:
    """Return a record whose value has other fields; a dot leads into an object."""
    value = json.loads(record[1])
    for path, field in fields.items():
        *groups, name = path.split("__")
        into = value
        for group in groups:
            into = into[group]
        into[name] = field
    return record[0], json.dumps(value).encode()


def breach(identity: str = "episode-1", **fields: Any) -> dict[str, Any]:
    """Return a breach as JSON has it."""
    return {
        "id": identity,
        "revision": 1,
        "state": "opened",
        "why": "violated",
        "fingerprint": "f1",
        "rule": "parse-errors",
        "kind": "metric_threshold",
        "series": "parse",
        "labels": {"operation": "parse"},
        "severity": "high",
        "samples": 100,
        "span": {"start_ms": START_MS, "end_ms": START_MS + 60_000},
        "since_ms": START_MS,
        "opened_ms": START_MS + 60_000,
        "confirmed": True,
        "summary": "parse fails",
        "routing": {"channels": ["slack"], "cooldown_ms": 0},
        "rules_hash": "h",
    } | fields
