"""Rules over logs with gaps say what the same fold says that walks every minute of them."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.rules.evaluator import Evaluator, read_aggregate
from tests.effort import examples
from tests.properties.test_rules import RULES, history
from tests.unit.streams.rules.worlds import BASE, MINUTE_MS, operations, rule_file, threshold

MORE = rule_file(
    *[
        rule.model_dump(by_alias=True, mode="json", exclude_defaults=True) | {"window": "90m"}
        for rule in RULES.rules
        if rule.name in ("quiet", "mean")
    ],
    threshold(name="busy", each="platform", metric="throughput", threshold=0.3, window="4m",
              keep_firing_for="3m", **{"for": "2m"}),
    threshold(name="less", each="platform", metric="throughput", operator="less_than",
              tiers=[{"severity": "low", "threshold": 0.5}, {"severity": "high", "threshold": 0.1}],
              window="10m", keep_firing_for="20m", **{"for": "7m"}),
    threshold(name="keeps", each="platform", no_operations="keep_firing", window="10m"),
    {"name": "hours", "kind": "change", "each": "platform", "metric": "success_rate",
     "window": "2h", "operator": "less_than", "threshold": -20.0, "keep_firing_for": "5m"},
    {"name": "yesterday", "kind": "change", "each": "platform", "metric": "throughput",
     "window": "1h", "operator": "less_than", "threshold": -20.0, "against": "day"},
    threshold(name="few", each="platform", min_samples=25, keep_firing_for="2m", **{"for": "3m"}),
)  # fmt: skip


def sparse(seed: int) -> list[tuple[int, bytes]]:
    """Return a log with gaps of minutes, hours and days, late finals and few operations."""
    rng = random.Random(seed)
    log: list[tuple[int, bytes]] = []
    minute = 0
    for _ in range(rng.randrange(5, 40)):
        minute += rng.choice((1, 1, 1, 1, 2, 3, 5, 6, 7, 20, 61, 200, 1500))
        platform = rng.choice(("lever", "lever", "ashby"))
        count = rng.choice((1, 3, 30, 100))
        failures = rng.choice((0, 0, count // 2, count))
        stamp = (BASE + minute + 1) * MINUTE_MS + rng.choice((0, 0, 0, 20 * MINUTE_MS))
        if rng.random() < 0.5:
            log.append((stamp, operations(minute, count, failures, final=False, platform=platform)))
        log.append((stamp, operations(minute, count + 1, failures, platform=platform)))
        if rng.random() < 0.2:
            five = minute // 5 * 5
            log.append((stamp, operations(five, count + 1, failures, size="5m", platform=platform)))
    return log


def _told(log: list[tuple[int, bytes]], rules, seed: int) -> list[bytes]:
    rng, evaluation = random.Random(seed), Evaluator(rules, "hash")
    told: list[bytes] = []
    newest = 0
    for offset, (stamp, value) in enumerate(log):
        newest = max(newest, stamp)
        said = evaluation.evaluate(offset, stamp, read_aggregate(value))
        if rng.random() < 0.1:
            said += evaluation.pass_time(newest + rng.choice((0, 7, 90)) * MINUTE_MS)
        told += [one.value for one in said]
    said = evaluation.pass_time(newest + rng.choice((3, 90, 9 * 24 * 60)) * MINUTE_MS)
    return told + [one.value for one in said]


@pytest.mark.parametrize("rules", [RULES, MORE])
@settings(max_examples=examples(4))
@given(seed=st.integers(0, 100_000), gaps=st.booleans())
def test_a_fold_that_jumps_over_gaps_says_the_same_as_one_that_walks(
    rules, seed: int, *, gaps: bool
) -> None:
    log = sparse(seed) if gaps else history(seed, 40)
    told = _told(log, rules, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.rules.series_rules.next_change", lambda *args: args[2])
        assert _told(log, rules, seed) == told
