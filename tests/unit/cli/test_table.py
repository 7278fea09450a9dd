from typing import Any

import msgspec
import pytest
from rich.console import Console

from agents.cli.live_table import LiveTable, milliseconds, name_of, percent
from schemas.aggregates import Aggregate, FailuresByName, NameCount, QualityAggregate
from schemas.fast_structs import struct_of
from tests.unit.cli.samples import MINUTE_MS, START_MS, aggregate


def drawn(table: LiveTable, *, width: int = 100, max_rows: int | None = None, **more: Any) -> str:
    console = Console(width=width, **more)
    with console.capture() as capture:
        console.print(table.renderable(max_rows, width))
    return capture.get()


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[2:] if line.strip()]


DRAWN = """\
operation      by             1m from  count success p50 ms p95 ms p99 ms  cache trend     final
────────────────────────────────────────────────────────────────────────────────────────────────
all operations                05:06   12,345  99.00%   12.3   45.6    61s 80.00% –         …
parse_job_data                05:06    1,234  80.00%   12.3   45.6    789 80.00% degrading …
               lever          05:06      900  99.00%   12.3   45.6    789 80.00% –         yes
               low confidence 05:06        7  99.00%   1.23   45.6    789      – –         …
"""


def test_a_table_reads_as_drawn():
    table = LiveTable()
    for each in (
        aggregate("parse_job_data", platform="lever", count=900, final=True),
        aggregate("parse_job_data", confidence="low", hit_rate=None, count=7, p50=1.234),
        aggregate("parse_job_data", count=1234, success_rate=0.8),
        aggregate("*", count=12_345, p99=61_000),
        aggregate("parse_job_data", size="1h", verdict="degrading"),
    ):
        table.update(each)

    assert [line.rstrip() for line in drawn(table).splitlines()] == DRAWN.splitlines()


def test_a_larger_revision_stands_whatever_the_order():
    table = LiveTable()
    for revision in (5, 9, 7):
        table.update(aggregate(revision=revision, count=revision))
    assert [line.aggregate.count for line in table.lines()] == [9]


def test_the_final_of_a_revision_stands():
    table = LiveTable()
    table.update(aggregate(revision=5))
    table.update(aggregate(revision=5, final=True))
    table.update(aggregate(revision=5))
    assert [line.aggregate.final for line in table.lines()] == [True]


def test_the_newest_window_stands_and_other_sizes_do_not_show():
    table = LiveTable("1m")
    table.update(aggregate(start_ms=START_MS, count=1))
    table.update(aggregate(start_ms=START_MS - MINUTE_MS, count=2))
    table.update(aggregate(size="5m", count=3))
    assert [line.aggregate.count for line in table.lines()] == [1]
    assert (len(table), table.seen) == (1, 3)


def test_minutes_borrow_their_trend_from_the_hour():
    table = LiveTable()
    table.update(aggregate(size="1h", verdict="improving"))
    table.update(aggregate())
    assert [line.trend for line in table.lines()] == ["improving"]


def test_totals_come_before_platforms_before_confidence():
    table = LiveTable()
    for each in (
        aggregate("b", confidence="high"),
        aggregate("b", confidence="low"),
        aggregate("b", platform="zoho"),
        aggregate("b", platform="ashby"),
        aggregate("b"),
        aggregate("a"),
        aggregate("*", platform="lever"),
        aggregate("*"),
    ):
        table.update(each)
    assert [name_of(line.aggregate) for line in table.lines()] == [
        "*",
        '*{platform="lever"}',
        "a",
        "b",
        'b{platform="ashby"}',
        'b{platform="zoho"}',
        'b{confidence="low"}',
        'b{confidence="high"}',
    ]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_line_is_too_wide_and_no_figure_cut_whatever_the_names(width: int):
    table = LiveTable()
    table.update(aggregate("o" * 128, platform="p" * 128, count=98_765_432, p99=9e9, p95=1e9))
    table.update(aggregate("\x1b[31mred\x1b[0m\n", platform="界" * 60, count=1, p50=59_999.4))
    lines = drawn(table, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)
    assert "98.8M" in "".join(lines)
    assert "2500h" in "".join(lines)


def test_of_too_many_series_the_busiest_show():
    table = LiveTable()
    for number in range(50):
        table.update(aggregate(f"op{number:02}", count=number + 1))
    text = drawn(table, max_rows=3)
    assert [row[0] for row in rows(text)[:3]] == ["op47", "op48", "op49"]
    assert "… and 47 series with fewer operations" in text


def test_an_empty_table_says_so():
    assert "no 1h windows yet" in drawn(LiveTable("1h"))


@pytest.mark.parametrize(
    ("count", "rate", "red"), [(100, 0.5, True), (100, 0.95, False), (5, 0, False)]
)
def test_only_what_is_obviously_bad_is_red(count: int, rate: float, red: bool):
    table = LiveTable()
    table.update(aggregate(count=count, success_rate=rate))
    text = drawn(table, force_terminal=True, color_system="standard")
    assert ("\x1b[31m" in text) is red


def test_a_series_that_stopped_is_dimmed():
    table = LiveTable()
    table.update(aggregate("gone", start_ms=START_MS - 3 * MINUTE_MS))
    table.update(aggregate("here"))
    text = drawn(table, force_terminal=True, color_system="standard")
    gone, here = (
        next(line for line in text.splitlines() if name in line) for name in ("gone", "here")
    )
    assert "\x1b[1;2m" in gone
    assert "\x1b[1;2m" not in here


def test_larger_windows_show_their_day():
    table = LiveTable("24h")
    table.update(aggregate(size="24h"))
    assert "04 Mar" in drawn(table)


def test_the_fast_form_is_taken_too():
    text = aggregate("a", platform="lever", verdict="stable", size="1h").model_dump_json()
    plain: Any = msgspec.json.decode(text, type=struct_of(Aggregate))
    table = LiveTable("1h")
    table.update(plain)
    assert rows(drawn(table))[0][:2] == ["a", "lever"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1234"),
     (59_999, "59999"), (60_000, "60s"), (3.6e6, "1h"), (1e10, "2778h")],
)  # fmt: skip
def test_durations_are_short(value: float, text: str):
    assert milliseconds(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0, "0%"), (1, "100%"), (0.99999, "99.99%"), (0.00001, "0.01%"), (0.5, "50.00%")],
)
def test_rates_are_never_rounded_to_all_or_nothing(ratio: float, text: str):
    assert percent(ratio) == text


def test_the_most_frequent_failures_stand_below_the_table():
    table = LiveTable()
    named = [NameCount(name=f"Error{n}", count=9 - n) for n in range(6)]
    named[0] = NameCount(name="a\x1b[2J", count=9)
    failures = FailuresByName(most_frequent=named, other=1, unnamed=60)
    table.update(aggregate("*", success_rate=0.0).model_copy(update={"failures_by_type": failures}))
    table.update(aggregate("parse"))
    assert drawn(table).splitlines()[-1].strip() == (
        "failures of *: a\\x1b[2J 9, Error1 8, Error2 7, Error3 6, Error4 5, others 65"
    )


def score(dimension: str, *, count: int = 50, mean: float = 0.912, **fields: Any) -> Any:
    series = {"dimension": dimension, "operation": "*", "platform": None, "model": None}
    series |= {name: fields.pop(name) for name in set(series) & set(fields)}
    value = {
        "kind": "quality",
        "series": series,
        "window": {"size": "1m", "start_ms": START_MS, "end_ms": START_MS + MINUTE_MS},
        "revision": count, "final": True, "missing": 0, "count": count, "mean": mean, "min": 0.1,
        "max": 1.0, "std_dev": 0.1, "p5": 0.5, "p50": 0.95, "good": 40, "acceptable": 45,
        "below_good": 0.2, "below_acceptable": 0.1, "trend": None, "exemplars": [],
        "findings": {
            "most_frequent": [{"name": "invented_quote", "count": 7}], "other": 0, "unnamed": 3
        },
        "actions": [], "configurations": ["c"], "digest": {"n": count, "centroids": []},
    }  # fmt: skip
    return msgspec.json.decode(
        msgspec.json.encode(value | fields), type=struct_of(QualityAggregate)
    )


SCORES = """\
dimension operation      by    1m from count  mean    p5   p50 not good    bad trend final
──────────────────────────────────────────────────────────────────────────────────────────
overall   all operations       05:06      50 0.912 0.500 0.950   20.00% 10.00% –     yes
overall                  lever 05:06      50 0.912 0.500 0.950   20.00% 10.00% –     yes
overall                  m1    05:06      50 0.600 0.500 0.950   20.00% 10.00% –     yes
accuracy  all operations       05:06      50 0.912 0.500 0.950   20.00% 10.00% –     yes
findings of overall:*: invented_quote 7, others 3
"""


def test_scores_are_drawn_by_dimension_and_model():
    table = LiveTable()
    for each in (
        score("accuracy"),
        score("overall", model="m1", mean=0.6),
        score("overall", platform="lever"),
        score("overall"),
    ):
        table.update(each)
    assert [line.rstrip() for line in drawn(table).splitlines()] == SCORES.splitlines()
