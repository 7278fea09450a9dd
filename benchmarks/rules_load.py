"""Measure what evaluating a record costs: 1,000 series, 200 rules of which five match each.

python -m benchmarks.rules_load
"""

import argparse
import json
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from schemas.rule_file import RuleFile
from streams.rules.evaluator import Evaluator, read_aggregate

MINUTE_MS = 60_000
OPERATIONS = 40
BASE = 28_402_560
#: The aim: half a core for 1,000 changed series a second, with five rules each.
TARGET_US = 400


def rules() -> RuleFile:
    """Return five rules an operation: of ratios, a mean, a percentile, an hour and a budget."""
    found: list[dict[str, Any]] = []
    for number in range(OPERATIONS):
        common = {"each": "platform", "match": f'operation="operation-{number}"'}
        limit = {"kind": "metric_threshold", "operator": "greater_than", **common}
        found += [
            {"name": f"errors-{number}", "metric": "error_rate", "threshold": 50, "window": "5m"}
            | limit,
            {"name": f"mean-{number}", "metric": "duration_mean", "threshold": 9e3, "window": "5m"}
            | limit,
            {"name": f"p95-{number}", "metric": "duration_p95", "threshold": 9e3, "window": "5m"}
            | limit,
            {"name": f"cache-{number}", "metric": "cache_miss_rate", "threshold": 90}
            | {"window": "1h"}
            | limit,
            {"name": f"budget-{number}", "kind": "burn_rate", "objective": 90.0} | common,
        ]
    return RuleFile.model_validate({"rules": found})


def aggregate(series: int, minute: int, count: int, digest: Any, *, final: bool) -> bytes:
    """Return a window as the worker publishes it."""
    start_ms = (BASE + minute) * MINUTE_MS
    failures = count // 50
    return json.dumps(
        {
            "version": 1,
            "kind": "operations",
            "series": {
                "operation": f"operation-{series % OPERATIONS}",
                "platform": f"platform-{series // OPERATIONS}",
                "confidence": None,
            },
            "window": {"size": "1m", "start_ms": start_ms, "end_ms": start_ms + MINUTE_MS},
            "revision": count,
            "final": final,
            "count": count,
            "successes": count - failures,
            "failures": failures,
            "success_rate": 0.98,
            "error_rate": 0.02,
            "duration_ms": dict.fromkeys(
                ("sum", "mean", "min", "max", "std_dev", "p50", "p90", "p95", "p99"), 12.34567
            ),
            "cache": {
                "lookups": count,
                "hits": count // 2,
                "misses": count - count // 2,
                "hit_rate": 0.5,
                "miss_rate": 0.5,
                "evictions": 1,
                "eviction_rate": 0.01,
                "average_ttl_s": 60.0,
                "ttl_count": count,
            },
            "mean_confidence": 0.8,
            "confidence_count": count,
            "trend": None,
            "exemplars": [
                {"id": f"{n:016x}", "success": False, "duration_ms": 1.5, "error_type": "Timeout"}
                for n in range(3)
            ],
            "digest": {"n": count, "centroids": digest},
        }
    ).encode()


class Meter:
    """Evaluates records, and adds up the cost of each phase."""

    def __init__(self) -> None:
        self.evaluation = Evaluator(rules(), "hash", packed={})
        self.spent: dict[str, float] = {}
        self.records: dict[str, int] = {}
        self._offset = 0

    def take(self, phase: str, values: Iterable[bytes], minute: int) -> None:
        """Evaluate a round of records."""
        for value in values:
            began = time.process_time()
            record = read_aggregate(value)
            decoded = time.process_time()
            self.evaluation.evaluate(self._offset, (BASE + minute + 1) * MINUTE_MS, record)
            self._add("decode", decoded - began)
            self._add(phase, time.process_time() - began)
            self._offset += 1

    def _add(self, phase: str, seconds: float) -> None:
        self.spent[phase] = self.spent.get(phase, 0.0) + seconds
        self.records[phase] = self.records.get(phase, 0) + 1

    def us(self, phase: str) -> float:
        """Return the cost of a record in each phase."""
        return round(1e6 * self.spent[phase] / self.records[phase], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--warm", type=int, default=61, help="final minutes before")
    parser.add_argument("--minutes", type=int, default=2, help="measured minutes")
    parser.add_argument("--updates", type=int, default=20, help="revisions of a minute")
    options = parser.parse_args()
    means = np.sort(np.random.default_rng(1).lognormal(4, 0.7, 200))
    digest = [{"m": float(mean), "c": 3} for mean in means]
    every = range(options.series)
    meter = Meter()
    for minute in range(options.warm):
        warm = (aggregate(n, minute, 600, digest[::10], final=True) for n in every)
        meter.take("warm", warm, minute)
    meter.spent.clear()
    meter.records.clear()
    for minute in range(options.warm, options.warm + options.minutes):
        for update in range(options.updates):
            changed = (aggregate(n, minute, 600 + update, digest, final=False) for n in every)
            meter.take("provisional", changed, minute)
            if update == options.updates // 4:
                final = (aggregate(n, minute - 1, 700, digest, final=True) for n in every)
                meter.take("final", final, minute - 1)
    began = time.process_time()
    changes = meter.evaluation.take_changes()
    packing = time.process_time() - began
    figures = {
        "series": options.series,
        "rules": OPERATIONS * 5,
        "provisional_us": meter.us("provisional"),
        "final_us": meter.us("final"),
        "of_it_decoding_us": meter.us("decode"),
        "packing_us_a_row": round(1e6 * packing / len(changes), 1),
        "row_bytes": round(sum(len(value) for _, value in changes) / len(changes)),
        "target_us": TARGET_US,
    }
    # 1,000 series: each is published every second, final once a minute, written every 15 s.
    cost = figures["provisional_us"] + figures["final_us"] / 60 + figures["packing_us_a_row"] / 15
    figures["core_share_at_1000_a_second"] = round(cost / 1000, 3)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
