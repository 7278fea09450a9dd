"""Rules find what is wrong and are still where nothing is: benchmarks.signal in quick form."""

import numpy as np
import pytest

from benchmarks import signal_quality as quality
from benchmarks.signal import QUICK, measure, promises
from benchmarks.signal_replay import START_MS, _Replay
from benchmarks.signal_traffic import Scenario
from schemas.fields import Sums
from schemas.partials import PartialRow, Stats
from schemas.rule_file import RuleFile
from schemas.spans import MINUTE_MS
from streams.measure.digests import ENGINES, pack
from streams.measure.watermarks import Reached
from streams.measure.window_times import TimeLimits
from streams.measure.windows import Windows
from streams.rules.aggregate_reader import OperationsRecord, name_of, read_aggregate
from tests.unit.streams.rules.worlds import World, operations

TIMES = TimeLimits(lateness_ms=3_600_000, future_ms=60_000, grace_ms=10_000)


@pytest.mark.no_cover
def test_what_is_wrong_is_found_and_what_is_well_is_not():
    broken = [sentence for sentence, holds in promises(measure(seed=1, size=QUICK)) if not holds]
    assert broken == []


@pytest.mark.no_cover
def test_the_shipped_rule_finds_scores_that_fall_and_nothing_else():
    found = quality.measure(np.random.default_rng(1), QUICK.calm, QUICK.before)
    assert [sentence for sentence, holds in quality.promises(found) if not holds] == []


def test_the_simulated_windows_are_those_that_the_worker_publishes():
    scenario = Scenario(name="low", minutes=12 * 60)
    scenario.add(np.random.default_rng(5), "lever", 2.0, [0.05] * 360 + [0.4] * 360, 0.02)

    assert simulated(scenario) == published(scenario)


def simulated(scenario):
    told = {}

    class Recorded(_Replay):
        def _publish(self, one: OperationsRecord | None, at_ms: int) -> None:
            if one is not None and one.final:
                told.update([said(one)])

    Recorded(scenario, RuleFile.model_validate({})).run()
    return told


def published(scenario):
    windows = Windows(0, 1, {}, TIMES, ENGINES["fastdigest"], 100)
    counts = scenario.operations["lever"].sum(axis=1)
    failures = scenario.failures["lever"].sum(axis=1)
    told = {}
    for minute, (count, failed) in enumerate(zip(counts.tolist(), failures.tolist(), strict=True)):
        end_ms = START_MS + (minute + 1) * MINUTE_MS
        if count:
            windows.apply(0, 0, [partial(minute, count, failed)], end_ms)
        windows.progress(Reached(1, end_ms + 10_000, end_ms + 10_000))
        windows.advance(end_ms + 10_000)
        for one in windows.collect(end_ms + 10_000, finals_only=True):
            windows.confirm(one)
            told.update([said(read_aggregate(one.value))])
        windows.retire()
        windows.take_changes()
    return told


def partial(minute, count, failed):
    sums = Sums(count, count - failed, count * 12_000)
    stats = Stats(sums, count * 144.0, 12.0, 12.0, pack(np.full(count, 12.0)), ())
    return PartialRow('*{platform="lever"}', START_MS // MINUTE_MS + minute, minute, stats)


def said(one):
    window = one.window
    return (window.size, window.start_ms), (
        name_of(one),
        window.end_ms,
        one.revision,
        one.count,
        one.successes,
        one.duration_ms.sum,
        one.trend,
    )


@pytest.mark.parametrize(("objective", "found"), [(99.0, False), (99.9, False), (99.95, True)])
def test_ten_minutes_of_5_percent_burn_a_budget_that_pages_from_99_95_percent_on(objective, found):
    world = World({"name": "slo", "kind": "burn_rate", "objective": objective})
    for minute in range(420):
        world.read(operations(minute, 1000, 50 if 400 <= minute < 410 else 0))
    assert bool(world.said) is found
