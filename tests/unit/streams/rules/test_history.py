"""Looking back: what earlier spans held, single hours, and shares above a bound."""

import pytest

from streams.measure.digests import ENGINES
from streams.rules.aggregate_reader import read_aggregate
from streams.rules.history import History
from streams.rules.needed_windows import Needs
from streams.rules.series_state import SeriesState
from tests.unit.streams.rules.worlds import BASE, operations


def history(needs: Needs, *aggregates: bytes) -> History:
    state = SeriesState(0, 0, BASE - 1, 0, "operations", {}, BASE - 1, BASE - 1, BASE, BASE)
    found = History(state, needs, ENGINES["fastdigest"])
    for value in aggregates:
        record = read_aggregate(value)
        assert record is not None
        found.add(record)
    return found


def test_an_earlier_span_is_complete_until_a_part_of_it_is_dropped() -> None:
    found = history(Needs(short=10), *(operations(minute, 10) for minute in range(20)))
    assert found.is_complete(BASE)
    assert not found.is_complete(BASE - 1)
    found.prune(BASE + 14)
    assert not found.is_complete(BASE + 5)
    assert found.is_complete(BASE + 6)
    assert found.sums(5, BASE + 10).count == 50


def test_hours_are_summed_by_whole_windows_or_else_by_their_parts() -> None:
    minutes = (operations(minute, 10) for minute in range(180))
    hour = operations(60, 700, size="1h")
    found = history(Needs(long=2000), *minutes, hour)
    assert found.sums_before(60, BASE + 120).count == 700
    assert found.sums_before(120, BASE + 120).count == 1300
    assert found.sums_before(120, BASE + 180).count == 1300


def test_an_hour_has_its_percentiles_and_no_digest() -> None:
    durations = [float(n) for n in range(1, 101)]
    needs = Needs(long=2000, hour_ranks=frozenset({0.95}))
    found = history(needs, operations(0, 100, size="1h", durations=durations))
    assert found.quantile_of_hour(BASE, 0.95) == pytest.approx(95.05)
    assert found.quantile_of_hour(BASE + 60, 0.95) is None
    assert found._state.hours[BASE].digest == b""


@pytest.mark.parametrize(
    ("bound_ms", "slow"), [(0.0, 30), (1.0, 30), (1.1, 20), (3.0, 10), (4.0, 0)]
)
def test_what_took_exactly_the_bound_is_not_below_it(bound_ms: float, slow: int) -> None:
    needs = Needs(short=5, bounds=frozenset({bound_ms}))
    minutes = (operations(minute, 15, durations=[1.0, 2.0, 3.0]) for minute in range(2))
    assert history(needs, *minutes).slow(2, BASE + 1, bound_ms) == slow


def test_a_bound_is_compared_as_durations_are_stored() -> None:
    needs = Needs(short=5, bounds=frozenset({0.1}))
    assert history(needs, operations(0, 5, durations=[0.1])).slow(1, BASE, 0.1) == 5
