"""What a partition of labels makes of samples and labels, one step after the other."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from schemas.spans import DAY_MS
from streams.measure.window_times import window_start
from streams.quality.label_records import (
    InputLabel,
    PartitionSums,
    encode,
    label_of,
)
from streams.quality.labels import MOST_SOURCES, truth_of
from tests.unit.streams.analysis_samples import NOW_MS, label
from tests.unit.streams.quality.calibrations import DAY, label_of_analysis, partition, sample, tell

WEEK = window_start("7d", NOW_MS)


def counts(sums: Iterable[PartitionSums]) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return analyses and right ones by model, size and start."""
    return {
        (each.series[2], each.size, each.start_ms): (each.sums.count, each.sums.right)
        for each in sums
    }


ONE_RIGHT = {("small", "24h", DAY): (1, 1), ("small", "7d", WEEK): (1, 1)}
ONE_WRONG = {("small", "24h", DAY): (1, 0), ("small", "7d", WEEK): (1, 0)}
NONE = {("small", "24h", DAY): (0, 0), ("small", "7d", WEEK): (0, 0)}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([sample()], {}),
        ([label_of_analysis()], {}),
        ([sample(), label_of_analysis()], ONE_RIGHT),
        ([label_of_analysis(), sample()], ONE_RIGHT),
        ([sample(), label_of_analysis(), label_of_analysis(), sample()], ONE_RIGHT),
        ([sample(), label_of_analysis(truth="ghost")], ONE_WRONG),
        # A correction by the same source counts, whichever came first.
        ([sample(), label_of_analysis(), label_of_analysis(truth="ghost", at=NOW_MS + 1)],
         ONE_WRONG),
        ([sample(), label_of_analysis(truth="ghost", at=NOW_MS + 1), label_of_analysis()],
         ONE_WRONG),
        # What somebody verified counts before what is later.
        ([sample(), label_of_analysis(verified=True, source="ada"),
          label_of_analysis(truth="ghost", at=NOW_MS + 9, source="bob")], ONE_RIGHT),
        # All that is known must agree.
        ([sample(), label_of_analysis(), label_of_analysis(about="company", truth="Lever")],
         ONE_WRONG),
        # What the input knew already counts as a label.
        ([sample(truths={"verdict": {"ada": truth_of(label())}})], ONE_RIGHT),
        # What is about a field that cannot be compared does not count.
        ([sample(result={"fields": {"tags": ["a"]}}), label_of_analysis(about="tags", truth=["a"])],
         {}),
    ],
)  # fmt: skip
def test_windows_count_an_analysis_once_its_sample_and_a_label_are_there(
    records: list[Any], expected: dict[tuple[Any, ...], tuple[int, int]]
):
    calibrations = partition()
    tell(calibrations, *records)
    assert counts(calibrations.take_sums(1)) == expected
    assert len(calibrations) == 1


def test_estimates_are_summed_in_their_tenths():
    calibrations = partition()
    tell(calibrations, sample(), label_of_analysis(), sample("a-2"))
    tell(calibrations, label_of_analysis("a-2", truth="ghost"))
    of_day, of_week = calibrations.take_sums(1)
    assert of_day.sums == of_week.sums
    confidence, overall = of_day.sums.confidence, of_day.sums.overall
    filled = {place: each for place, each in enumerate(confidence.bins) if each.count}
    assert {place: (each.count, each.right) for place, each in filled.items()} == {8: (2, 1)}
    assert filled[8].estimates_ppm == 1_600_000
    assert confidence.squares_ppm == 40_000 + 640_000  # 0.2² and 0.8²
    assert [place for place, each in enumerate(overall.bins) if each.count] == [6]
    assert overall.squares_ppm == 160_000 + 360_000


def test_a_correction_that_leaves_nothing_to_compare_with_empties_the_windows():
    calibrations = partition()
    tell(calibrations, sample(), label_of_analysis())
    assert counts(calibrations.take_sums(1)) == ONE_RIGHT
    moved = sample(occurred_at=NOW_MS - 7 * DAY_MS)
    tell(calibrations, moved)
    empty = counts(calibrations.take_sums(2))
    assert {key: empty[key] for key in NONE} == NONE
    assert empty["small", "24h", DAY - 7 * DAY_MS] == (1, 1)
    assert calibrations.take_sums(3) == []


def test_a_repeat_changes_no_sums():
    calibrations = partition()
    tell(calibrations, sample(), label_of_analysis())
    before = [encode(each) for each in calibrations.take_sums(1)]
    tell(calibrations, label_of_analysis(), sample())
    assert [encode(each) for each in calibrations.take_sums(1)] == before


def test_a_label_is_passed_on_to_the_input_that_does_not_know_it():
    truth = truth_of(label())
    to_input = InputLabel("hash-1", "verdict", "unknown", truth)
    calibrations = partition()
    assert tell(calibrations, label_of_analysis()) == []  # nobody knows the input
    assert tell(calibrations, sample()) == [to_input]
    assert tell(calibrations, label_of_analysis()) == []  # nothing new
    later = truth_of(label(truth="ghost", at=NOW_MS + 1))
    assert tell(calibrations, label_of_analysis(truth="ghost", at=NOW_MS + 1)) == [
        (3, InputLabel("hash-1", "verdict", "unknown", later))
    ]
    of_input = label(analysis=None, input_hash="hash-1", truth="x", at=NOW_MS + 2)
    assert tell(calibrations, label_of("a-1", of_input)) == []  # it came from there


def test_what_the_input_knew_when_the_analysis_came_is_not_passed_back():
    known = {"verdict": {"ada": truth_of(label())}}
    assert tell(partition(), sample(truths=known)) == []
    calibrations = partition()
    tell(calibrations, label_of_analysis(source="bob", at=NOW_MS + 5))
    (to_input,) = tell(calibrations, sample(truths=known))
    assert (to_input.source, to_input.truth.at) == ("bob", NOW_MS + 5)


def test_after_a_crash_the_rows_give_the_same_sums():
    packed: dict[bytes, bytes] = {}
    first = partition(packed)
    tell(first, sample(), label_of_analysis(), sample("a-2"), label_of_analysis("a-3"))
    expected = first.take_sums(1)
    changes = first.take_changes()
    assert packed == dict(changes)
    assert first.take_changes() == []
    second = partition(packed)
    assert len(second) == 3
    assert second.take_sums(1) == expected
    tell(second, label_of_analysis("a-2", truth="ghost"), sample("a-3"))
    assert counts(second.take_sums(2)) == dict.fromkeys(ONE_RIGHT, (3, 2))


def test_past_the_limit_the_longest_unchanged_analyses_are_forgotten():
    packed: dict[bytes, bytes] = {}
    calibrations = partition(packed, limit=2)
    for number in range(4):
        tell(calibrations, sample(f"a-{number}"), now_ms=NOW_MS + number)
    assert len(calibrations) == 2
    assert sorted(key for key, value in calibrations.take_changes() if value) == [
        b"a/a-2",
        b"a/a-3",
    ]
    for number in (1, 2, 3):
        tell(calibrations, sample(f"a-{number}"), label_of_analysis(f"a-{number}"))
    assert counts(calibrations.take_sums(1)) == dict.fromkeys(ONE_RIGHT, (2, 2))
    written = dict(calibrations.take_changes())
    assert [key for key, value in written.items() if value is None] == []
    assert sorted(packed) == [b"a/a-2", b"a/a-3"]


def test_what_was_forgotten_is_removed_from_the_table_and_may_come_again():
    packed: dict[bytes, bytes] = {}
    calibrations = partition(packed, limit=1)
    tell(calibrations, sample("a-1"))
    calibrations.take_changes()
    tell(calibrations, sample("a-2"))
    assert (b"a/a-1", None) in calibrations.take_changes()
    assert list(packed) == [b"a/a-2"]
    tell(calibrations, label_of_analysis("a-1"))  # its sample is forgotten: nothing is counted
    assert calibrations.take_sums(1) == []
    assert {key for key, value in calibrations.take_changes() if value is None} == {b"a/a-2"}


def test_rows_keep_the_latest_sources_of_a_label():
    packed: dict[bytes, bytes] = {}
    calibrations = partition(packed)
    for number in range(MOST_SOURCES + 2):
        tell(calibrations, label_of_analysis(source=f"s{number}", at=NOW_MS + number))
    calibrations.take_changes()
    _, _, truths = msgspec.msgpack.decode(packed[b"a/a-1"])
    assert list(truths["verdict"]) == [f"s{number}" for number in range(2, MOST_SOURCES + 2)]
    assert tell(calibrations, sample())[0].source == "s2"
