"""What a day of operations leaves on the topics: aggregates of each kind, and a breach."""

import json
import re
from typing import Any, NamedTuple

import numpy as np

from streams.alerting.state import digest
from tests.history import Operations, some_operations, windows_of
from tests.unit.messages.samples import breach

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
PLATFORMS = {"lever": 0.03, "ashby": 0.05, "workday": 0.17, "linkedin": 0.02, "greenhouse": 0.01}
_SIZES_MS = {"1m": MINUTE_MS, "5m": 300_000, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS}


class Traffic(NamedTuple):
    """Operations of a while, and the aggregates of them."""

    operations: list[Operations]
    aggregates: list[bytes]

    def counted(self, start_ms: int, platform: str | None = None) -> tuple[int, int]:
        """Return how many began since, and how many of these failed."""
        count = failed = 0
        for part in self.operations:
            if platform in (None, part.platform):
                since = part.during(start_ms, 1 << 60)
                count += len(since.time_ms)
                failed += int(since.failed.sum())
        return count, failed


def traffic(
    span_ms: tuple[int, int],
    per_minute: int = 30,
    platforms: dict[str, float] | None = None,
    operation: str = "parse_job_data",
    every: int = 1,
) -> Traffic:
    """Return operations of a span; windows that reach past its end are not final.

    Args:
        span_ms: from when to when.
        per_minute: operations of each platform.
        platforms: with the share that fails.
        operation: its name.
        every: so many minutes apart are those that have any.
    """
    minutes = (span_ms[1] - span_ms[0]) // MINUTE_MS // every
    parts = [
        some_operations(
            operation, platform, span_ms, minutes * per_minute, failing=failing, seed=seed,
            median_ms=400 + 300 * seed, minutes=0 if every == 1 else minutes,
        )
        for seed, (platform, failing) in enumerate((platforms or PLATFORMS).items(), 1)
    ]  # fmt: skip
    values = []
    for value in windows_of(parts):
        end_ms = int(re.search(rb'"end_ms":(\d+)', value)[1])  # type: ignore[index]
        values.append(
            value.replace(b'"final":true', b'"final":false') if end_ms > span_ms[1] else value
        )
    return Traffic(parts, values)


def service_windows(
    service: str, now_ms: int, status: str = "up", down_ms: int = 0, hours: int = 24
) -> list[bytes]:
    """Return the aggregates of a service that was down for the last while."""
    found = []
    for size, size_ms in _SIZES_MS.items():
        first_ms = (now_ms - min(hours * HOUR_MS, 120 * size_ms)) // size_ms * size_ms
        for start_ms in range(first_ms, now_ms, size_ms):
            end_ms = min(start_ms + size_ms, now_ms)
            down = max(0, end_ms - max(start_ms, now_ms - down_ms))
            fields = {
                "version": 1,
                "kind": "service",
                "series": {"service": service},
                "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + size_ms},
                "revision": now_ms,
                "final": start_ms + size_ms <= now_ms,
                "status": "down" if down else status if end_ms == now_ms else "up",
                "since_ms": now_ms - (down_ms or 5 * HOUR_MS),
                "silent": False,
                "last_beat_ms": now_ms,
                "every_s": 10.0,
                "message": "the model does not load" if down else None,
                "up_ms": end_ms - start_ms - down,
                "degraded_ms": 0,
                "down_ms": down,
                "unknown_ms": 0,
                "uptime": None,
                "forgotten": False,
            }
            found.append(json.dumps(fields).encode())
    return found


def quality_windows(
    now_ms: int, dimension: str = "overall", platform: str | None = None, mean: float = 0.9
) -> list[bytes]:
    """Return the aggregates of scores of the last day."""
    random = np.random.default_rng(7)
    found = []
    for size, size_ms in _SIZES_MS.items():
        first_ms = (now_ms - min(24 * HOUR_MS, 120 * size_ms)) // size_ms * size_ms
        for start_ms in range(first_ms, now_ms, size_ms):
            count = size_ms // 10_000
            bad = count - int(count * 0.9)
            value = min(1.0, float(mean + random.normal(0, 0.015)))
            fields = {
                "version": 1,
                "kind": "quality",
                "series": {"dimension": dimension, "operation": "*", "platform": platform},
                "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + size_ms},
                "revision": count,
                "final": start_ms + size_ms <= now_ms,
                "count": count,
                "mean": value,
                "p5": max(0.0, value - 0.2),
                "good": count - bad,
                "acceptable": int(count * 0.97),
                "trend": None,
                "findings": {
                    "most_frequent": [{"name": "invented_quote", "count": bad}],
                    "other": 0,
                    "unnamed": 0,
                },
                "exemplars": [{"id": f"a-{start_ms}", "score": 0.4, "finding": "invented_quote"}],
                "configurations": ["b7e1" if start_ms > now_ms - 2 * HOUR_MS else "a3c0"],
            }  # fmt: skip
            found.append(json.dumps(fields).encode())
    return found


def remedied(now_ms: int) -> tuple[list[bytes], list[bytes]]:
    """Return requests to remedy bad analyses, and the scores of those that were repeated."""
    requests, scores = [], []
    for number, (action, after) in enumerate(
        [("reanalyse", 0.9), ("reanalyse", 0.4), ("reanalyse", None), ("human_review", None)]
    ):
        analysis = f"bad-{number}"
        fields = {"version": 1, "analysis": analysis, "action": action, "overall": 0.5}
        requests.append(json.dumps(fields | {"requested_at": now_ms - HOUR_MS}).encode())
        if after is not None:
            fields = {"analysis": f"again-{number}", "overall": after, "remediates": analysis}
            scores.append(json.dumps(fields, separators=(",", ":")).encode())
    return requests, scores


def opened(now_ms: int, **changed: Any) -> Any:
    """Return a breach that opened ten minutes ago."""
    opened_ms = now_ms - 10 * MINUTE_MS
    fields = {
        "opened_ms": opened_ms,
        "since_ms": opened_ms - MINUTE_MS,
        "span": {"start_ms": opened_ms - 300_000, "end_ms": opened_ms},
        "rule": "high_error_rate",
        "series": '*{platform="workday"}',
        "labels": {"platform": "workday"},
        "metric": "error_rate",
        "operator": "greater_than",
        "threshold": 5.0,
        "observed": 16.9,
        "severity": "high",
        "summary": "error rate of workday is 16.9 % (> 5 %) over 5m, 240 operations.",
    } | changed
    fields.setdefault("fingerprint", digest(fields["rule"], fields["series"]))
    fields.setdefault("id", digest(fields["rule"], fields["series"], str(fields["since_ms"])))
    return breach(**fields)
