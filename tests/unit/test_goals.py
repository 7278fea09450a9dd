"""`make bench` says of each goal whether it is met."""

import pytest

from benchmarks.goals import GOALS, table

_ROWS = 2  # the head, and the rule below it


def test_a_figure_that_falls_short_is_named():
    shown = table({"hour_own_s": 5.04, "hour_rebalance_s": 2.0, "times_8_keys": 2.4})
    assert shown.splitlines()[-1] == (
        "Missed: after an hour of live traffic: a partition moves: the others stop for;"
        " x Kafka Streams: of 8 keys."
    )


def test_what_was_not_measured_is_not_called_met():
    rows = table({}).split("\n\n")[0].splitlines()[_ROWS:]
    assert len(rows) == len(GOALS)
    assert all("not measured" in row for row in rows)


@pytest.mark.parametrize(
    ("figure", "value", "met"),
    [
        ("live_core", 0.104, True),
        ("live_core", 0.106, False),
        ("times_8_keys", 2.5, True),
        ("times_8_keys", 2.44, False),
        ("platforms_missing", -1, False),
        ("platforms_missing", 0, True),
        ("many_delay_s", float("inf"), False),
        ("day_growth_mb", -30.0, True),
    ],
)
def test_a_figure_is_met_as_it_is_shown(figure: str, value: float, met: bool):
    [goal] = [goal for goal in GOALS if goal.figure == figure]
    assert goal.met(value) is met
