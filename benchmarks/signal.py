"""Measure how well rules find known failures in traffic: `python -m benchmarks.signal`.

No broker: seeded counts a minute become windows, and go through the evaluation that the worker
uses. Exits with 1 where a promise is broken.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import signal_quality as quality
from benchmarks.signal_replay import PLAIN_TREND, replay
from benchmarks.signal_score import Score
from benchmarks.signal_traffic import (
    DROP,
    HOUR,
    ONE_OF_TWENTY,
    SHAPES,
    calm,
    failing,
    one_of_twenty,
)
from schemas.rule_file import RuleFile

_ERRORS = {"kind": "metric_threshold", "metric": "error_rate", "operator": "greater_than"}
_PLATFORM = {"each": "platform"}
#: `min_samples` is half of what the window usually holds.
_SAFE = {"threshold": 3, "resolve_threshold": 1.5, "keep_firing_for": "5m", **_ERRORS}
_HALVED = {
    "kind": "change",
    "metric": "throughput",
    "operator": "less_than",
    "threshold": -50,
    "min_samples": 1000,
}
#: Each with how many minutes past a failure its window still holds it.
RULES: tuple[tuple[int, dict[str, Any]], ...] = (
    (10, {"name": "errors_5m", "window": "5m", "for": "1m", "min_samples": 500, **_SAFE}),
    (15, {"name": "errors_10m", "window": "10m", "min_samples": 1000, **_SAFE}),
    (60, {"name": "burn_rate", "kind": "burn_rate", "objective": 99.0}),
    (125, {"name": "trend_1h", "kind": "trend", "window": "1h", "evaluations": 2}),
    (780, {"name": "trend_6h", "kind": "trend", "window": "6h", "evaluations": 2}),
    (2940, {"name": "trend_24h", "kind": "trend", "window": "24h", "evaluations": 2}),
    (60, {"name": "change_30m", "window": "30m", **_HALVED}),
    (180, {"name": "change_day", "window": "1h", "against": "day", **_HALVED}),
    (10, {"name": "no_data", "kind": "no_data", "after": "10m"}),
    (10, {"name": "plain_5m", "window": "5m", "threshold": 3, **_ERRORS}),
)
_TOTAL = {"name": "errors_total", "window": "10m", "min_samples": 1000, **_SAFE}
_FAILURES = [*(shape.name for shape in SHAPES if not shape.silent), ONE_OF_TWENTY]
_DROPS = [DROP.name]
#: What a day before is there for.
_DAY_BEFORE = 26 * HOUR
_SILENCES = [shape.name for shape in SHAPES if shape.silent]
_CALM = ("steady", "noisy", "daily", "low")
#: No failure here lasts long enough for these, so only their silence is checked.
_LONG = ("trend_6h", "trend_24h")
_CHANGES = ("change_30m", "change_day")
_STILL = ("burn_rate", "trend_1h", *_LONG, *_CHANGES)
_LEGEND = """\
errors_*     metric_threshold: error rate > 3 % over 5m or 10m, resolves below 1.5 % for 5m,
             min_samples half of what the window usually holds; errors_5m `for` 1m
burn_rate    objective 99 %, the workbook's pairs, min_samples 100
trend_*      1h, 6h, 24h windows, degraded for 2 evaluations
change_*     throughput less than half: of the 30 minutes before; of the same hour a day before;
             min_samples 1000
plain_5m     error rate > 3 % over 5m, the same evaluation: no min_samples, no `for`, no resolve
             threshold, no keep_firing_for
plain_trend  an hour against the hour before, two-proportion z, p < 0.01: no dispersion
             correction, no smallest effect, no smallest sample, one evaluation
traffic      200 operations a minute (low: 2), 0.5 % fail; noisy, daily and half of each failure:
             failures correlated by 0.02 within the minute; provisional windows thrice a minute"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is simulated: calm minutes, failures for each shape and traffic, minutes before them."""

    calm: int
    failures: int
    before: int
    has_provisional_days: bool = True
    """Whether also the day before a drop has provisional windows."""


FULL = Size(calm=7 * 24 * HOUR, failures=10, before=6 * HOUR)
QUICK = Size(calm=4 * HOUR, failures=1, before=HOUR, has_provisional_days=False)


def measure(seed: int, size: Size) -> dict[str, Score]:
    """Return each rule's score."""
    random = np.random.default_rng(seed)
    rules = RuleFile.model_validate({"rules": [*(rule | _PLATFORM for _, rule in RULES), _TOTAL]})
    scores = {rule["name"]: Score(rule=rule["name"], after=after) for after, rule in RULES}
    scores[PLAIN_TREND] = Score(rule=PLAIN_TREND, after=125)
    scenarios = [
        *calm(random, size.calm),
        *(failing(random, shape, size.failures, size.before) for shape in SHAPES),
        one_of_twenty(random, size.before),
        failing(random, DROP, size.failures, _DAY_BEFORE),
    ]
    if not size.has_provisional_days:
        scenarios[-1].finals_until = _DAY_BEFORE - size.before
    for scenario in scenarios:
        found = replay(scenario, rules)
        for score in scores.values():
            score.take(scenario, found)
        if scenario.total:
            scores["errors_total"] = total = Score(rule="errors_total", after=15)
            total.take(scenario, found)
    return scores


def promises(scores: dict[str, Score]) -> Iterator[tuple[str, bool]]:
    """Yield each promise, and whether it holds."""
    for name in _STILL:
        yield (
            f"{name}: no false breach in calm traffic",
            not any(scores[name].false[traffic] for traffic in _CALM),
        )
    for name in ("errors_5m", "errors_10m"):
        yield f"{name}: none in steady traffic", not scores[name].false["steady"]
        yield f"{name}: every 10 minutes of 5 % found", scores[name].recall(["burst"]) == 1
        yield f"{name}: every other failure found", scores[name].recall(_FAILURES) == 1
    yield "errors_10m: none in noisy traffic", not scores["errors_10m"].false["noisy"]
    burning = ["step", "ramp", "outage", ONE_OF_TWENTY]
    yield f"burn_rate: every {', '.join(burning)} found", scores["burn_rate"].recall(burning) == 1
    for name in _CHANGES:
        yield f"{name}: every drop of traffic found", scores[name].recall(_DROPS) == 1
    lasting = ["step", "ramp"]
    yield f"trend_1h: every {' and '.join(lasting)} found", scores["trend_1h"].recall(lasting) == 1
    yield (
        "no_data: every silence found, nothing else",
        (scores["no_data"].recall(_SILENCES) == 1 and scores["no_data"].precision == 1),
    )
    plain, ours = scores["plain_5m"], scores["errors_5m"]
    yield (
        "errors_5m: fewer false breaches than the plain threshold",
        (sum(ours.false.values()) < sum(plain.false.values())),
    )


def table(scores: dict[str, Score]) -> str:
    """Return the scores as two Markdown tables."""
    names = [name for name in scores if name != "errors_total"]
    first = [["", "precision", "recall", "delay p50", "p95", "again", *_CALM, "failures"]]
    second = [["found, delay p50 / p95", *_FAILURES, *_SILENCES, *_DROPS]]
    for name in names:
        score = scores[name]
        shapes = {"no_data": _SILENCES}.get(name, _DROPS if name in _CHANGES else _FAILURES)
        first.append(
            [name, _share(score.precision)]
            + [_share(None if name in _LONG else score.recall(shapes))]
            + [_minutes(score.delay(shapes, rank)) for rank in (0.5, 0.95)]
            + [str(score.again), *(str(score.false[traffic]) for traffic in _CALM)]
            + [str(sum(n for traffic, n in score.false.items() if traffic not in _CALM))]
        )
        if name not in _LONG:
            second.append(
                [name, *(_cell(score, shape) for shape in (*_FAILURES, *_SILENCES, *_DROPS))]
            )
    return "\n\n".join(map(_markdown, (first, second)))


def _cell(score: Score, shape: str) -> str:
    found = f"{len(score.found[shape])} of {score.wrong[shape]}"
    if not score.found[shape]:
        return found
    return f"{found}, {' / '.join(_minutes(score.delay([shape], rank)) for rank in (0.5, 0.95))}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _minutes(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def main() -> int:
    """Measure and print; return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="hours, few failures: for tests")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    scores = measure(options.seed, size)
    print(table(scores))
    in_total = len(scores["errors_total"].found[ONE_OF_TWENTY])
    print(f"\n{_LEGEND}\n\n1 of 20, looked for in the total of all platforms: {in_total} found\n")
    found = quality.measure(np.random.default_rng(options.seed), size.calm, size.before)
    for name, of in found.items():
        fell = f", within {of.most_results} results" if of.models else ""
        print(f"quality, {name}: {len(of.models)} of {quality.MODELS} models found{fell}")
    held = [*promises(scores), *quality.promises(found)]
    for sentence, holds in held:
        print(f"{'holds ' if holds else 'BROKEN'} {sentence}")
    return int(not all(holds for _, holds in held))


if __name__ == "__main__":
    sys.exit(main())
