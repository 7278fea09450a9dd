"""An error budget is what anybody calculates by hand."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.rules.error_budget import ErrorBudget, Objectives
from tests.unit.streams.rules.worlds import rule_file, threshold


@pytest.mark.parametrize(
    ("budget", "allowed", "compliance", "burn_rate", "left", "is_met"),
    [
        ((99.9, 30_000, 0), 30, 100, 0, 100, True),
        ((99.9, 30_000, 15), 30, 99.95, 0.5, 50, True),
        ((99.9, 30_000, 30), 30, 99.9, 1, 0, True),  # in floats 29.99… were allowed
        ((99.9, 30_000, 31), 30, 99.896666667, 31 / 30, -100 / 30, False),
        ((95.0, 20, 1), 1, 95, 1, 0, True),
        ((95.0, 19, 1), 0.95, 94.736842105, 1 / 0.95, 100 - 100 / 0.95, False),
        ((50.0, 10, 10), 5, 0, 2, -100, False),
        ((99.99, 1_000_000, 250), 100, 99.975, 2.5, -150, False),
    ],
)
def test_a_budget_is_what_the_objective_allows_less_what_was_bad(
    budget: tuple[float, int, int],
    allowed: float,
    compliance: float,
    burn_rate: float,
    left: float,
    is_met: bool,
):
    found = ErrorBudget(*budget)
    assert found.allowed == allowed
    assert found.compliance == pytest.approx(compliance)
    assert found.burn_rate == pytest.approx(burn_rate)
    assert found.left == pytest.approx(left)
    assert found.is_met is is_met


@given(st.integers(1, 99_999), st.integers(1, 10**9), st.data())
def test_exactly_what_is_allowed_meets_the_objective_and_one_more_does_not(
    thousandths: int, operations: int, data: st.DataObject
):
    allowed = Fraction(100_000 - thousandths, 100_000) * operations
    bad = data.draw(st.integers(0, operations) | st.integers(int(allowed), int(allowed) + 1))
    budget = ErrorBudget(thousandths / 1_000, operations, bad)
    assert budget.is_met is (bad <= allowed)
    assert budget.left == pytest.approx(float(100 - 100 * bad / allowed), abs=1e-6)


def slo(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "kind": "burn_rate", "objective": 99.0} | fields


FILE = rule_file(
    slo("all"),
    slo("by_platform", each="platform", below="500ms"),
    slo("lever", match='platform="lever"', below="200ms"),
    slo("fast", match='operation="parse"', below="500ms"),
    slo("good_answers", metric="quality_overall"),
    slo("off", enabled=False, below="7ms"),
    threshold(name="no_objective"),
)


def test_a_file_has_the_objectives_of_its_enabled_burn_rates():
    objectives = Objectives(FILE)
    assert list(objectives.rules) == ["all", "by_platform", "lever", "fast", "good_answers"]
    assert objectives.bounds_ms == [200, 500]


@pytest.mark.parametrize(
    ("series_kind", "labels", "names"),
    [
        ("operations", {}, ["all"]),
        ("operations", {"platform": "lever"}, ["by_platform", "lever"]),
        ("operations", {"platform": "ashby"}, ["by_platform"]),
        ("operations", {"operation": "parse"}, ["fast"]),
        ("operations", {"operation": "fetch"}, []),
        ("quality", {"dimension": "overall"}, ["good_answers"]),
        ("quality", {"dimension": "accuracy"}, []),
    ],
)
def test_a_series_has_the_objectives_that_are_about_it(
    series_kind: str, labels: dict[str, str], names: list[str]
):
    assert [rule.name for rule in Objectives(FILE).of(series_kind, labels)] == names


def test_a_file_says_which_kinds_of_series_it_has_objectives_for():
    both, operations, none = (
        Objectives(FILE),
        Objectives(rule_file(slo("a"))),
        Objectives(rule_file(threshold())),
    )
    kinds = ("operations", "quality", "service")
    assert [both.are_about(kind) for kind in kinds] == [True, True, False]
    assert [operations.are_about(kind) for kind in kinds] == [True, False, False]
    assert not any(none.are_about(kind) for kind in kinds)
    assert none.bounds_ms == []
