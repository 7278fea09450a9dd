"""Measure how well the shipped rule quality_degradation finds falling scores, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import orjson
import yaml

from benchmarks.signal_replay import START_MS
from benchmarks.signal_traffic import HOUR
from schemas.rule_file import RuleFile
from schemas.spans import MINUTE_MS
from streams.rules.aggregate_reader import QualityRecord
from streams.rules.evaluator import Evaluator

RULE_FILE = Path(__file__).parent.parent / "config" / "opwatch.yaml"
RULE = "quality_degradation"
MODELS = 5
#: Results of a model in a minute, …
RATES = (2.0, 20.0, 100.0)
#: … and how much the score of one differs from the mean.
SPREAD = 0.08
STEADY, DROPPED, BROKEN = 0.90, 0.80, 0.5
#: A drop is to be found within this many results of the model.
MOST_RESULTS = 200
GOOD, ACCEPTABLE = 0.85, 0.7
STEADY_SCORES, WOBBLING_SCORES = "steady", "wobbling"
A_DROP, ONE_BROKEN = "0.90 to 0.80", "one of five"

Means = Callable[[np.ndarray, int], np.ndarray]
"""The mean score of each minute, of a model."""


class Found(NamedTuple):
    """What the rule found of a scenario."""

    models: set[str]
    """Models with a breach."""
    most_results: int
    """Of the models that fell, the most results from then on until it was found."""


def steady(minutes: np.ndarray, model: int) -> np.ndarray:
    """Return scores that stay as they are."""
    del model
    return np.full(len(minutes), STEADY)


def wobbling(minutes: np.ndarray, model: int) -> np.ndarray:
    """Return means that rise and fall by 0.02 every six hours."""
    return STEADY + 0.02 * np.sin(2 * np.pi * (minutes / (6 * HOUR) + model / MODELS))


def falling(at: int, to: float, only: int | None = None) -> Means:
    """Return scores that fall at a minute; those of one model, or of all."""

    def means(minutes: np.ndarray, model: int) -> np.ndarray:
        falls = only is None or model == only
        return np.where((minutes >= at) & falls, to, STEADY)

    return means


def measure(random: np.random.Generator, calm: int, before: int) -> dict[str, Found]:
    """Return what the rule found, by scenario; minutes that are calm, and before a fall."""
    after = 3 * HOUR
    found = {}
    for rate in RATES:
        for name, means, minutes, falls in (
            (STEADY_SCORES, steady, calm, 0),
            (WOBBLING_SCORES, wobbling, calm, 0),
            (A_DROP, falling(before, DROPPED), before + after, before),
            (ONE_BROKEN, falling(before, BROKEN, 3), before + after, before),
        ):
            found[named(name, rate)] = _replay(random, means, rate, minutes, falls)
    return found


def named(scenario: str, rate: float) -> str:
    """Return the name of a scenario with this many results of a model in a minute."""
    return f"{scenario}, {rate:g} a minute"


def promises(found: dict[str, Found]) -> Iterator[tuple[str, bool]]:
    """Yield each promise, and whether it holds."""
    for calm in (STEADY_SCORES, WOBBLING_SCORES):
        found_models = [found[named(calm, rate)].models for rate in RATES]
        yield f"{RULE}: none in {calm} scores", not any(found_models)
    drops = [found[named(A_DROP, rate)] for rate in RATES]
    broken = [found[named(ONE_BROKEN, rate)] for rate in RATES]
    all_found = all(len(drop.models) == MODELS for drop in drops)
    yield f"{RULE}: every model's drop from 0.90 to 0.80 found", all_found
    only_it = all(of.models == {"model-3"} for of in broken)
    yield f"{RULE}: one broken model of five found, no other", only_it
    most = max(of.most_results for of in (*drops, *broken))
    yield f"{RULE}: found within {MOST_RESULTS} results of the model", most <= MOST_RESULTS


def _replay(
    random: np.random.Generator, means: Means, rate: float, minutes: int, falls: int
) -> Found:
    rules = yaml.safe_load(RULE_FILE.read_text("utf-8"))
    rules["rules"] = [rule for rule in rules["rules"] if rule["name"] == RULE]
    evaluator = Evaluator(RuleFile.model_validate(rules), "signal")
    every = np.arange(minutes)
    results = random.poisson(rate, (MODELS, minutes))
    expected = [means(every, model) for model in range(MODELS)]
    offset, most, opened = 0, 0, set()
    for minute in range(minutes):
        for model in range(MODELS):
            scores = _scores(random, expected[model][minute], results[model, minute])
            for count in sorted({(len(scores) + 1) // 2, len(scores)} - {0}):
                record = _record(model, minute, scores[:count], final=count == len(scores))
                at_ms = START_MS + (minute + 1) * MINUTE_MS
                for breach in evaluator.evaluate(offset, at_ms, record):
                    body = orjson.loads(breach.value)
                    if body["state"] == "opened":
                        opened.add(body["labels"]["model"])
                        most = max(most, int(results[model, falls:minute].sum()) + count)
                offset += 1
    return Found(opened, most)


def _scores(random: np.random.Generator, mean: float, count: int) -> np.ndarray:
    """Return scores from 0 to 1 of a mean and a spread."""
    sure = mean * (1 - mean) / SPREAD**2 - 1
    return random.beta(mean * sure, (1 - mean) * sure, count)


def _record(model: int, minute: int, scores: np.ndarray, *, final: bool) -> QualityRecord:
    start_ms = START_MS + minute * MINUTE_MS
    series = {"dimension": "overall", "operation": "*", "model": f"model-{model}"}
    fields = {
        "kind": "quality",
        "series": series,
        "window": {"size": "1m", "start_ms": start_ms, "end_ms": start_ms + MINUTE_MS},
        "revision": len(scores),
        "final": final,
        "count": len(scores),
        "mean": float(scores.mean()),
        "min": float(scores.min()),
        "good": int((scores >= GOOD).sum()),
        "acceptable": int((scores >= ACCEPTABLE).sum()),
    }
    return msgspec.convert(fields, QualityRecord)
