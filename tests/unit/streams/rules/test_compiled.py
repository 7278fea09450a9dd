"""A rule takes from the defaults what it does not say itself."""

import pytest

from streams.rules.compiled import compile_rules
from tests.unit.streams.rules.worlds import rule_file, threshold

INTERVALS = {"night": "every day 22:00-06:00", "noon": "every day 12:00-13:00"}


@pytest.mark.parametrize("field", ["mute_time_intervals", "active_time_intervals"])
@pytest.mark.parametrize(("said", "expected"), [(None, ["night"]), (["noon"], ["noon"]), ([], [])])
def test_the_time_intervals_of_a_rule_stand_even_if_there_are_none(
    field: str, said: list[str] | None, expected: list[str]
) -> None:
    (rule,) = compile_rules(
        rule_file(
            threshold(**{} if said is None else {field: said}),
            defaults={field: ["night"]},
            time_intervals=INTERVALS,
        )
    )
    assert list(getattr(rule.routing, field)) == expected
