"""Objectives, quality, calibration and uptime, as their pages show them."""

import json

import pytest

from schemas.rule_file import RuleFile
from streams.dashboard.calibrations import NewestCalibrations
from streams.dashboard.objectives import burned, objective_rows, with_burn_down
from streams.dashboard.quality_view import quality_view
from streams.dashboard.remediations import Remediations
from streams.dashboard.spans import TrailingSpan, trailing
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import DEFAULT, parse_targets
from streams.dashboard.uptime_bars import uptime_bars
from streams.rules.error_budget import Objectives
from tests.unit.streams.dashboard.samples import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    books,
    operations,
    quality,
    service,
    window,
)

SPAN = trailing("1h", NOON_MS)
TARGETS = parse_targets(DEFAULT)


def objectives(*rules: dict[str, object]) -> Objectives:
    file = {"version": 1, "channels": [], "rules": list(rules)}
    return Objectives(RuleFile.model_validate_json(json.dumps(file)))


def rule(**changed: object) -> dict[str, object]:
    return {"name": "slo", "kind": "burn_rate", "objective": 99.0} | changed


def test_without_a_rule_the_target_is_the_objective():
    sums = SpanSums(books(operations(NOON_MS, count=1000, failures=10)))
    (row,) = objective_rows(sums, objectives(), 98.0, SPAN)
    assert (row.rule, row.objective, row.state) == ("", 98.0, "good")
    assert row.budget is not None
    assert row.budget.left == 50.0
    drawn = with_burn_down(row, sums, SPAN, NOON_MS).burn_down
    assert drawn is not None
    assert drawn.lines[0].newest == "50 %"


def test_an_objective_stands_for_each_series_that_its_rule_is_about():
    sums = SpanSums(
        books(
            operations(NOON_MS, count=300, failures=3),
            operations(NOON_MS, platform="lever", count=100, failures=0),
            operations(NOON_MS, platform="ashby", count=200, failures=50),
            operations(NOON_MS, operation="parse", count=300),
        )
    )
    rows = objective_rows(sums, objectives(rule(each="platform")), 95.0, SPAN)
    assert [row.series for row in rows] == ['*{platform="ashby"}', '*{platform="lever"}']
    assert [row.state for row in rows] == ["bad", "good"]


def test_an_objective_of_durations_is_none_of_success():
    sums = SpanSums(books(operations(NOON_MS, count=100, failures=0)))
    rows = objective_rows(sums, objectives(rule(below="1s")), None, SPAN)
    assert rows == []


def test_an_objective_without_operations_has_no_budget():
    sums = SpanSums(books(operations(NOON_MS - 5 * HOUR_MS)))
    (row,) = objective_rows(sums, objectives(rule()), None, SPAN)
    assert (row.budget, row.state) == (None, "none")
    assert with_burn_down(row, sums, SPAN, NOON_MS) == row


def test_a_budget_goes_down_with_each_failure():
    made = books(
        operations(NOON_MS, count=10, failures=1),
        operations(NOON_MS + MINUTE_MS, count=10, failures=3),
    )
    points = made.operations["*"].points("1m", 0, 1 << 60)
    left = burned(points, MINUTE_MS, 4.0)
    assert [(sample.at_ms - NOON_MS, sample.value) for sample in left] == [
        (MINUTE_MS, 75.0),
        (2 * MINUTE_MS, 0.0),
    ]


def test_the_worst_analyses_are_listed_once_the_lowest_first():
    def scored(start_ms: int, *found: tuple[str, float]) -> bytes:
        fields = json.loads(quality(start_ms, count=50))
        fields["exemplars"] = [{"id": name, "score": score} for name, score in found]
        return json.dumps(fields).encode()

    sums = SpanSums(
        books(
            scored(NOON_MS, ("a", 0.5), ("b", 0.1)),
            scored(NOON_MS - MINUTE_MS, ("a", 0.5), ("c", 0.3)),
            scored(NOON_MS - 2 * MINUTE_MS),
        )
    )
    view = quality_view(sums, [], Remediations(), TARGETS["quality"], SPAN)
    assert [it.id for it in view.worst] == ["b", "c", "a"]
    assert view.dimensions[0].sum.count == 150
    assert view.dimensions[0].state == "good"
    assert view.dimensions[1].state == "none"


def test_platforms_with_low_quality_come_first():
    def of(platform: str, mean: float) -> bytes:
        fields = json.loads(quality(NOON_MS, mean=mean))
        fields["series"]["platform"] = platform
        return json.dumps(fields).encode()

    sums = SpanSums(books(of("lever", 0.9), of("ashby", 0.6), quality(NOON_MS)))
    view = quality_view(sums, [], Remediations(), None, SPAN)
    assert [row.name for row in view.breakdowns] == ["ashby", "lever"]


def test_exemplars_that_cannot_be_read_are_none():
    fields = json.loads(quality(NOON_MS)) | {"exemplars": [{"id": 1}]}
    sums = SpanSums(books(json.dumps(fields).encode()))
    assert quality_view(sums, [], Remediations(), None, SPAN).worst == ()


def calibration(
    revision: int = 1, size: str = "7d", service: str = "s", **changed: object
) -> bytes:
    tenths = [
        {"low": 0.8, "high": 0.9, "count": 10, "mean_estimate": 0.85, "accuracy": 0.6},
        {"low": 0.9, "high": 1.0, "count": 0, "mean_estimate": None, "accuracy": None},
    ]
    reliability = {"count": 10, "bins": tenths, "expected_calibration_error": 0.25}
    fields = {
        "version": 1,
        "kind": "calibration",
        "series": {"service": service, "operation": "o", "model": "m"},
        "window": window(size, NOON_MS // (7 * 24 * HOUR_MS) * 7 * 24 * HOUR_MS),
        "revision": revision,
        "final": False,
        "count": 10,
        "right": 6,
        "accuracy": 0.6,
        "confidence": reliability,
        "overall": reliability,
    }
    return json.dumps(fields | changed, separators=(",", ":")).encode()


def test_the_newest_calibration_of_a_series_stands():
    made = NewestCalibrations()
    assert made.take(calibration(2))
    assert not made.take(calibration(1))
    assert made.take(calibration(3, right=7, accuracy=0.7))
    (found,) = made.newest.values()
    assert (found.accuracy, found.count) == (0.7, 10)
    assert found.confidence_bins == ((0.85, 0.6, 10),)
    view = quality_view(SpanSums(books()), made.newest.values(), Remediations(), None, SPAN)
    assert view.calibrations == (found,)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"nonsense", operations(NOON_MS), calibration(size="1h"), calibration(count=-1)],
)
def test_what_is_no_calibration_of_a_week_is_left_out(value: bytes | None):
    assert not NewestCalibrations().take(value)


def test_calibrations_are_bounded():
    made = NewestCalibrations()
    taken = [made.take(calibration(service=f"s{number}")) for number in range(250)]
    assert sum(taken) == len(made.newest) == 200


def test_a_bar_is_green_only_where_the_service_was_up_and_grey_where_nobody_knows():
    made = books(
        service(NOON_MS, down_ms=MINUTE_MS // 2),
        service(NOON_MS + MINUTE_MS),
        service(NOON_MS + 2 * MINUTE_MS, degraded_ms=MINUTE_MS, up_ms=0),
        service(NOON_MS + 3 * MINUTE_MS, up_ms=0, unknown_ms=MINUTE_MS),
    )
    span = TrailingSpan("1h", NOON_MS - MINUTE_MS, NOON_MS + 4 * MINUTE_MS)
    bars = uptime_bars(made.services['service{name="crawler"}'], span)
    assert [bar.state for bar in bars] == ["none", "bad", "good", "near", "none"]
    assert bars[1].down_ms == MINUTE_MS // 2
