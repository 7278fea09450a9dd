"""Run a backtest for the command line: read, judge, print."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agents.cli.printing import console, echo, echo_json
from agents.cli.rule_backtest import Backtest, Compared, Range, compare, reach_ms
from agents.cli.rule_episodes import Episode
from agents.cli.rule_history import of_file, of_topic
from agents.cli.rule_timeline import difference, drawn, moment
from agents.cli.running import NO, Sentence, run
from agents.rule_file.load import LoadedRules


class Wanted(NamedTuple):
    """What to judge by which rule files."""

    files: Sequence[LoadedRules]
    over: Range
    recorded: Path | None
    as_json: bool


def show(wanted: Wanted) -> None:
    """Run the backtest and print what it found.

    Raises:
        Sentence: there was nothing to judge.
    """
    begun_s = time.monotonic()
    tests = [Backtest(file, wanted.over) for file in wanted.files]
    if wanted.recorded is not None:
        for record in of_file(wanted.recorded):
            for test in tests:
                test.take(record)
    else:
        run(_read_topic(tests, wanted.over))
    if tests[0].first_ms is None:
        raise Sentence("there are no aggregates in that time; --from further back?", NO)
    for test in tests:
        test.end()
    compared = compare(tests[0].episodes(), tests[1].episodes()) if len(tests) > 1 else None
    if wanted.as_json:
        for line in _lines(tests, compared):
            echo_json(line)
    else:
        _print(tests, compared)
    _tell_pace(tests[0], time.monotonic() - begun_s)


async def _read_topic(tests: Sequence[Backtest], over: Range) -> None:
    assert over.from_ms is not None
    since_ms = over.from_ms - max(reach_ms(test.loaded) for test in tests)
    async for record in of_topic(max(since_ms, 0)):
        for test in tests:
            test.take(record)


def _print(tests: Sequence[Backtest], compared: list[Compared] | None) -> None:
    out = console()
    for number, test in enumerate(tests):
        if number:
            out.print()
        out.print(drawn(test, out.width))
    if compared is not None:
        out.print()
        out.print(difference(compared, *tests))


def _lines(tests: Sequence[Backtest], compared: list[Compared] | None) -> list[dict[str, Any]]:
    if compared is None:
        return [_plain(it) for it in tests[0].episodes()]
    return [
        {
            "difference": it.difference,
            "here": _plain(it.here) if it.here else None,
            "there": _plain(it.there) if it.there else None,
        }
        for it in compared
    ]


def _plain(it: Episode) -> dict[str, Any]:
    return it._asdict() | {"opened": moment(it.opened_ms)}


def _tell_pace(test: Backtest, took_s: float) -> None:
    """Say on stderr, since it is never the same, how fast it was."""
    first, last = test.range
    pace = (last - first) / 1000 / max(took_s, 0.001)
    echo(f"judged in {took_s:.1f} s, {pace:,.0f} times real time", err=True)
