"""What a partition of labels makes of samples and labels, one step after the other."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from schemas.spans import DAY_MS
from streams.measure.window_times import window_start
from streams.quality.label_joins import KEPT_MS, Calibrations, series_of
from streams.quality.label_records import (
    AnalysisLabel,
    CalibrationSample,
    InputLabel,
    PartitionSums,
    decode,
    encode,
    label_of,
    sample_of,
)
from streams.quality.labels import MOST_SOURCES, SourceTruth, truth_of
from tests.unit.streams.analysis_samples import NOW_MS, analysis, label

DAY = window_start("24h", NOW_MS)
WEEK = window_start("7d", NOW_MS)
SERIES = ("detector", "analyze_job", "small")


def partition(packed: dict[bytes, bytes] | None = None, limit: int = 100) -> Calibrations:
    return Calibrations(0, {} if packed is None else packed, limit)


def sample(name: str = "a-1", truths: Any = None, **changed: Any) -> CalibrationSample:
    """Return a sample whose own confidence is 0.8 and whose overall score is 0.6."""
    of = analysis(id=name, **changed)
    return sample_of(of, 0.6, 3, {} if truths is None else truths)


def label_of_analysis(name: str = "a-1", **changed: Any) -> AnalysisLabel:
    return label_of(name, label(analysis=name, **changed))


def tell(calibrations: Calibrations, *records: Any, now_ms: int = NOW_MS) -> list[Any]:
    """Take records in; return what is passed on to inputs."""
    passed_on: list[Any] = []
    for record in records:
        if isinstance(record, CalibrationSample):
            passed_on += calibrations.sample(decode(encode(record)), now_ms)  # type: ignore[arg-type]
        else:
            passed_on += calibrations.label(decode(encode(record)), now_ms)  # type: ignore[arg-type]
    return passed_on


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


def sums(source: int, revision: int, *, right: bool = True, start_ms: int = DAY) -> PartitionSums:
    calibrations = Calibrations(source, {}, 10)
    tell(calibrations, sample(occurred_at=start_ms))
    tell(calibrations, label_of_analysis(truth="likely_real" if right else "ghost"))
    return calibrations.take_sums(revision)[0]


def published(calibrations: Calibrations, now_ms: int = NOW_MS) -> list[tuple[int, int, int]]:
    """Return revision, analyses and right ones of the windows that changed."""
    windows = [json.loads(each.value) for each in calibrations.collect(now_ms)]
    return [(window["revision"], window["count"], window["right"]) for window in windows]


def test_a_window_adds_up_the_latest_sums_of_each_partition():
    reader = partition()
    reader.sums(sums(1, 5))
    assert published(reader) == [(5, 1, 1)]
    reader.sums(sums(2, 7, right=False))
    assert published(reader) == [(12, 2, 1)]
    reader.sums(sums(1, 4, right=False))  # older
    assert published(reader) == [(12, 2, 1)]
    reader.sums(sums(1, 6, right=False))
    assert published(reader) == [(13, 2, 0)]
    reader.take_changes()
    assert published(reader) == []


def test_a_window_says_what_it_is_of():
    reader = partition()
    reader.sums(sums(1, 5))
    (revision,) = reader.collect(NOW_MS)
    name = 'calibration{service="detector",operation="analyze_job",model="small"}'
    assert revision.series == series_of(*SERIES) == name
    assert revision.key == f"{name}/24h/{DAY}".encode()
    window = json.loads(revision.value)
    assert window["series"] == dict(zip(("service", "operation", "model"), SERIES, strict=True))
    assert window["window"] == {"size": "24h", "start_ms": DAY, "end_ms": DAY + DAY_MS}
    assert (window["kind"], window["final"], window["accuracy"]) == ("calibration", False, 1.0)
    assert window["overall"]["brier_score"] == pytest.approx(0.16)
    assert window["confidence"]["expected_calibration_error"] == pytest.approx(0.2)


def test_names_that_are_json_cannot_make_two_series_one():
    assert series_of('a",operation="b', "c", "d") != series_of("a", 'b",operation="c', "d")


def test_a_window_is_published_again_after_a_crash_and_forgotten_once_no_label_can_come():
    packed: dict[bytes, bytes] = {}
    reader = partition(packed)
    reader.sums(sums(1, 5))
    reader.take_changes()
    (key,) = packed
    again = partition(packed)
    assert published(again) == [(5, 1, 1)]
    last_ms = DAY + DAY_MS + KEPT_MS
    assert published(again, last_ms) == [(5, 1, 1)]
    assert published(again, last_ms + 1) == []
    assert again.take_changes() == [(key, None)]
    assert packed == {}


def test_a_sample_keeps_simple_fields_and_says_which_it_drops():
    fields = {"title": "Baker", "salary": 42_000, "remote": None, "tags": ["a"], "long": "x" * 301}
    kept = sample(result={"fields": fields})
    assert kept.fields == {"title": "Baker", "salary": 42_000, "remote": None}
    assert kept.dropped == ["tags", "long"]
    assert (kept.confidence, kept.overall, kept.label) == (0.8, 0.6, "likely_real")
    many = sample(result={"fields": {f"f{n}": n for n in range(60)}})
    assert (len(many.fields), many.dropped) == (50, [f"f{n}" for n in range(50, 60)])


@pytest.mark.parametrize(
    ("truths", "right"),
    [
        ({}, None),
        ({"verdict": {}}, None),
        ({"tags": {"ada": SourceTruth(1, '["a"]', False)}}, None),
        ({"verdict": {"ada": SourceTruth(1, '"Likely Real"', False)}}, True),
        ({"verdict": {"ada": SourceTruth(1, '"ghost"', False)}}, False),
        ({"salary": {"ada": SourceTruth(1, "42000", False)}}, True),
        ({"salary": {"ada": SourceTruth(1, "50000", False)}}, False),
        ({"unknown": {"ada": SourceTruth(1, "null", False)}}, True),
        ({"unknown": {"ada": SourceTruth(1, '"x"', False)}}, False),
    ],
)
def test_an_analysis_is_right_if_all_that_can_be_compared_agrees(truths: Any, right: bool | None):
    of = sample(result={"fields": {"salary": 42_000, "tags": ["b"]}})
    assert of.is_right(truths) is right


def test_without_a_verdict_none_is_right():
    silent = sample(result={"label": None, "score": 0.5})
    assert silent.is_right({"verdict": {"ada": SourceTruth(1, '"ghost"', False)}}) is False
