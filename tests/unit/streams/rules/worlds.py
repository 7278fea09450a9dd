"""Make aggregates and rule files, and drive an evaluation as the agent does."""

import json
from collections.abc import Iterable
from typing import Any

from schemas.aggregates import AggregateRecord
from schemas.breaches import Breach
from schemas.rule_file import RuleFile
from schemas.series import WindowSize
from streams.measure.window_times import SIZE_MS
from streams.rules.evaluator import BreachRecord, Evaluator, read_aggregate

MINUTE_MS = 60_000
#: A Monday's midnight, in minutes since the epoch.
BASE = 28_402_560
BURN = {"name": "slo", "kind": "burn_rate", "objective": 99.0, "min_samples": 100}


def rule_file(*rules: dict[str, Any], **file: Any) -> RuleFile:
    return RuleFile.model_validate({"rules": list(rules), **file})


def threshold(**fields: Any) -> dict[str, Any]:
    given = {"threshold": 5.0} if "tiers" not in fields else {}
    return {
        "name": "high_error_rate",
        "kind": "metric_threshold",
        "metric": "error_rate",
        "operator": "greater_than",
        "window": "1m",
        "severity": "high",
        **given,
        **fields,
    }


def operations(
    minute: int,
    count: int,
    failures: int = 0,
    *,
    final: bool = True,
    size: WindowSize = "1m",
    operation: str = "*",
    platform: str | None = None,
    **fields: Any,
) -> bytes:
    """Return an aggregate; `minute` counts from BASE."""
    start_ms = (BASE + minute) * MINUTE_MS
    mean = fields.pop("mean", 10.0)
    durations = fields.pop("durations", [mean] * min(count, 5))
    cache = {
        "lookups": 0,
        "hits": 0,
        "misses": 0,
        "hit_rate": None,
        "miss_rate": None,
        "evictions": 0,
        "eviction_rate": None,
        "average_ttl_s": None,
        "ttl_count": 0,
    }
    return json.dumps(
        {
            "version": 1,
            "kind": "operations",
            "series": {"operation": operation, "platform": platform, "confidence": None},
            "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]},
            "revision": count,
            "final": final,
            "count": count,
            "successes": count - failures,
            "failures": failures,
            "success_rate": (count - failures) / count if count else 0.0,
            "error_rate": failures / count if count else 0.0,
            "duration_ms": {
                "sum": mean * count,
                "mean": mean,
                "min": mean,
                "max": mean,
                "std_dev": 0.0,
                "p50": mean,
                "p90": mean,
                "p95": mean,
                "p99": mean,
            },
            "cache": cache | fields.pop("cache", {}),
            "mean_confidence": fields.pop("confidence", None),
            "confidence_count": fields.pop("confidence_count", 0),
            "trend": fields.pop("trend", None),
            "exemplars": [
                {"id": f"op{minute}", "success": False, "duration_ms": 9.5, "error_type": "Timeout"}
            ]
            if failures
            else [],
            "digest": {
                "n": count,
                "centroids": [{"m": one, "c": count / len(durations)} for one in durations],
            },
            **fields,
        }
    ).encode()


def scores(
    minute: int,
    count: int,
    mean: float,
    *,
    dimension: str = "overall",
    lowest: float | None = None,
    size: WindowSize = "1m",
    final: bool = True,
    bad: int = 0,
    findings: dict[str, int] | None = None,
    actions: dict[str, int] | None = None,
    **fields: Any,
) -> bytes:
    """Return an aggregate of scores; `minute` counts from BASE."""
    start_ms = (BASE + minute) * MINUTE_MS
    series = {"dimension": dimension, "operation": "*", "platform": None, "model": None}
    series |= {name: fields.pop(name) for name in set(series) & set(fields)}
    named = [{"name": name, "count": number} for name, number in (findings or {}).items()]
    body = {
        "version": 1,
        "kind": "quality",
        "series": series,
        "window": {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZE_MS[size]},
        "revision": count,
        "final": final,
        "missing": 0,
        "count": count,
        "mean": mean,
        "min": mean if lowest is None else lowest,
        "max": mean,
        "std_dev": 0.0,
        "p5": mean,
        "p50": mean,
        "good": count - bad,
        "acceptable": count - bad,
        "below_good": bad / count,
        "below_acceptable": bad / count,
        "trend": None,
        "exemplars": [
            {"id": f"a{minute}", "score": mean, "finding": next(iter(findings or [None]))}
        ],
        "findings": {"most_frequent": named, "other": 0, "unnamed": 0},
        "actions": [{"name": name, "count": number} for name, number in (actions or {}).items()],
        "configurations": ["c1"],
        "digest": {"n": count, "centroids": []},
    }
    AggregateRecord.model_validate_json(json.dumps(body))
    return json.dumps(body | fields).encode()


def service(minute: int, status: str = "up", *, final: bool = True, **fields: Any) -> bytes:
    start_ms = (BASE + minute) * MINUTE_MS
    times = {"up_ms": 0, "degraded_ms": 0, "down_ms": 0, "unknown_ms": 0}
    times[f"{status}_ms"] = MINUTE_MS
    return json.dumps(
        {
            "version": 1,
            "kind": "service",
            "series": {"service": "crawler"},
            "window": {"size": "1m", "start_ms": start_ms, "end_ms": start_ms + MINUTE_MS},
            "revision": 2 * minute + final,
            "final": final,
            "status": status,
            "since_ms": start_ms,
            "silent": False,
            "last_beat_ms": start_ms,
            "every_s": 10.0,
            "message": None,
            **times,
            "uptime": None,
            **fields,
        }
    ).encode()


class World:
    """An evaluation, the log it reads, and what it said."""

    def __init__(self, *rules: dict[str, Any], **file: Any) -> None:
        self.evaluation = Evaluator(rule_file(*rules, **file), "hash-1")
        self.said: list[Breach] = []
        self.offset = 0

    def read(self, *aggregates: bytes, late_ms: int = 0) -> list[Breach]:
        """Take records in as their windows end, or so much later; return what is said."""
        found: list[Breach] = []
        for value in aggregates:
            told = read_aggregate(value)
            assert told is not None
            stamp_ms = told.window.end_ms + late_ms
            found += self._heard(self.evaluation.evaluate(self.offset, stamp_ms, told))
            self.offset += 1
        return found

    def minutes(self, first: int, failures: Iterable[int], **fields: Any) -> list[Breach]:
        """Take a final minute of 100 operations each in."""
        found = []
        for place, failed in enumerate(failures):
            found += self.read(operations(first + place, 100, failed, **fields))
        return found

    def pass_minutes(self, until: int) -> list[Breach]:
        return self._heard(self.evaluation.pass_time((BASE + until) * MINUTE_MS))

    def reload(self, *rules: dict[str, Any], rules_hash: str = "hash-2") -> list[Breach]:
        return self._heard(self.evaluation.reload(rule_file(*rules), rules_hash))

    def _heard(self, said: list[BreachRecord]) -> list[Breach]:
        found = [Breach.model_validate_json(one.value) for one in said]
        self.said += found
        return found


def words(breaches: Iterable[Breach]) -> list[tuple[str, str]]:
    return [(one.state, one.why) for one in breaches]


def episodes(breaches: Iterable[Breach]) -> list[tuple[int, int | None, str]]:
    """Return (opened minute, resolved minute, severity) of what finals confirmed."""
    last: dict[str, Breach] = {}
    for one in breaches:
        last[one.id] = one
    return [
        (
            one.opened_ms // MINUTE_MS - BASE,
            None if one.resolved_ms is None else one.resolved_ms // MINUTE_MS - BASE,
            one.severity,
        )
        for one in last.values()
        if one.confirmed
    ]
