"""Run a backtest: read recorded aggregates, judge them, print a timeline or the difference."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.command import AsJson, CommandError, load_rules, run, settings, since_ms
from agents.cli.printing import SEVERITY_STYLES, console, echo, echo_json
from agents.runtime.escaping import visible
from schemas.numbers import plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from agents.rule_tests.backtest import Backtest, ComparedEpisode, TimeRange
    from agents.rule_tests.episodes import BreachEpisode

#: They rise with the severity, so that a timeline shows it without colours too.
_MARKS = dict(zip(SEVERITY_STYLES, "▂▄▆█", strict=True))
_NOTHING = "·"
_DAY_MS = 86_400_000
#: Of the terminal's width, for the time axis.
_SHARE = 0.3
_SIGNS = {"only here": "+", "only there": "-", "changed": "~"}
#: Breaches of a series are listed up to this many, then counted.
_MAX_LISTED = 5


def backtest(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", show_default=False, help="The rule file.")
    ] = None,
    *,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="WHEN", help="Where to begin: a span back (24h) or an ISO 8601 time."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Where to end; by default now.")
    ] = None,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--input", metavar="FILE", help="Read a file that `opwatch tail --json` has written."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OTHER", help="Print the difference to this rule file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what a rule file would have opened and resolved, rule by rule.

    It reads `aggregates` (Kafka keeps them for a week), or a file, and judges them as the worker
    does. The same input gives the same output. Nobody is notified.

    Examples:
      opwatch rules backtest --from 24h
      opwatch rules backtest new.yaml --from 2026-03-02T08:00 --to 2026-03-02T20:00
      opwatch rules backtest new.yaml --from 7d --against config/opwatch.yaml
      opwatch tail --json --from-beginning --once > monday.jsonl
      opwatch rules backtest new.yaml --input monday.jsonl --json | jq .
    """
    from agents.rule_tests.backtest import Backtest, TimeRange, compare

    over = TimeRange(since_ms(from_), since_ms(to))
    if over.from_ms is None and recorded is None:
        raise typer.BadParameter("write when to begin, such as --from 24h", param_hint="--from")
    if over.from_ms is not None and over.to_ms is not None and over.from_ms >= over.to_ms:
        raise typer.BadParameter("ends before it begins", param_hint="--to")
    files = [load_rules(file), *([load_rules(against)] if against is not None else [])]
    begun_s = time.monotonic()
    tests = [Backtest(rules, over) for rules in files]
    _judge(tests, over, recorded)
    if tests[0].first_ms is None:
        raise CommandError("there are no aggregates in that time; --from further back?")
    for test in tests:
        test.end()
    compared = compare(tests[0].episodes(), tests[1].episodes()) if len(tests) > 1 else None
    if as_json:
        for line in _lines(tests, compared):
            echo_json(line)
    else:
        _print(tests, compared)
    # On stderr, since it is never the same.
    first_ms, last_ms = tests[0].range
    took_s = time.monotonic() - begun_s
    pace = (last_ms - first_ms) / 1000 / max(took_s, 0.001)
    echo(f"judged in {took_s:.1f} s, {pace:,.0f} times real time", err=True)


def _judge(tests: "Sequence[Backtest]", over: "TimeRange", recorded: Path | None) -> None:
    from agents.rule_tests.backtest import NotRecorded, read_recording

    if recorded is None:
        run(_judge_topic(tests, over))
        return
    try:
        for record in read_recording(recorded):
            for test in tests:
                test.take(record)
    except OSError as error:
        raise CommandError(f"cannot read {recorded}: {error.strerror}.") from None
    except NotRecorded as error:
        raise CommandError(str(error)) from None


async def _judge_topic(tests: "Sequence[Backtest]", over: "TimeRange") -> None:
    """Judge the records that were published since, up to now; each partition in its order."""
    from agents.kafka.reader import topic_reader
    from agents.rule_tests.backtest import RecordedAggregate, reach_ms
    from schemas.topics import AGGREGATES
    from streams.rules.aggregate_reader import read_aggregate

    assert over.from_ms is not None
    begin_ms = over.from_ms - max(reach_ms(test.loaded) for test in tests)
    chosen = settings()
    async with topic_reader(chosen, chosen.topic(AGGREGATES)) as topic:
        await topic.from_time(max(begin_ms, 0))
        async for record in topic.to_the_end():
            aggregate = read_aggregate(record.value or b"", record.timestamp)
            if aggregate is None:
                continue
            for test in tests:
                test.take(
                    RecordedAggregate(record.partition, record.offset, record.timestamp, aggregate)
                )


def _print(tests: "Sequence[Backtest]", compared: "list[ComparedEpisode] | None") -> None:
    out = console()
    for number, test in enumerate(tests):
        if number:
            out.print()
        out.print(_timeline(test, out.width))
    if compared is not None:
        out.print()
        out.print(_difference(compared, *tests))


def _lines(
    tests: "Sequence[Backtest]", compared: "list[ComparedEpisode] | None"
) -> list[dict[str, Any]]:
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


def _plain(episode: "BreachEpisode") -> dict[str, Any]:
    return episode._asdict() | {"opened": _moment(episode.opened_ms)}


def _timeline(backtest: "Backtest", width: int) -> "RenderableType":
    """Return a line for each series, time to the right."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    episodes = backtest.episodes()
    from_ms, to = backtest.range
    cells = max(int(width * _SHARE), 10)
    parts: list[RenderableType] = [
        Text(f"{backtest.loaded.path} ({backtest.loaded.hash})", style="bold"),
        Text(
            f"{_moment(from_ms)} to {_moment(to)} UTC, {backtest.windows:,} windows of"
            f" {len(backtest.series):,} series"
        ),
        Text(""),
    ]
    shown = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    shown.add_column(overflow="fold")
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for rule in backtest.loaded.rules.rules:
        of_rule = [it for it in episodes if it.rule == rule.name]
        shown.add_row(Text(rule.name, style="bold"), "", Text(_counted(of_rule), style="dim"))
        for series in sorted({it.series for it in of_rule}):
            of_series = [it for it in of_rule if it.series == series]
            shown.add_row(
                Text("  " + visible(series)),
                _bar(of_series, from_ms, to, cells),
                Text("\n").join(_listed(of_series, to - from_ms)),
            )
    return Group(*parts, shown)


def _difference(
    compared: "Sequence[ComparedEpisode]", here: "Backtest", there: "Backtest"
) -> "RenderableType":
    """Return what only one of the rule files opened, or each in another way."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    same = sum(it.difference == "same" for it in compared)
    span_ms = here.range[1] - here.range[0]
    head = Text(
        f"+ only {here.loaded.path}, - only {there.loaded.path}, ~ both, but not the same;"
        f" {same} the same"
    )
    shown = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for it in compared:
        if it.difference == "same":
            continue
        lines = [_line(episode, span_ms) for episode in (it.there, it.here) if episode is not None]
        shown.add_row(
            Text(_SIGNS[it.difference], style="bold"),
            it.any.rule,
            Text(visible(it.any.series)),
            Text(" → ").join(lines),
        )
    return Group(head, shown)


def _moment(at_ms: int) -> str:
    """Return a time in UTC, to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _counted(episodes: "Sequence[BreachEpisode]") -> str:
    if not episodes:
        return "nothing opened"
    still = sum(it.resolved_ms is None for it in episodes)
    undone = sum(it.why == "undone" for it in episodes)
    extra = f", {still} still open" if still else ""
    extra += f", {undone} undone by later data" if undone else ""
    return f"{len(episodes)} opened{extra}"


def _listed(episodes: "Sequence[BreachEpisode]", span_ms: int) -> "Iterator[Text]":
    from rich.text import Text

    for it in episodes[:_MAX_LISTED]:
        yield _line(it, span_ms)
    if len(episodes) > _MAX_LISTED:
        yield Text(f"… and {len(episodes) - _MAX_LISTED} more (--json)", style="dim")


def _line(it: "BreachEpisode", span_ms: int) -> "Text":
    from rich.text import Text

    from schemas.spans import as_text

    text = Text(it.severity, style=SEVERITY_STYLES[it.severity])
    text.append(f" {_clock(it.opened_ms, span_ms)}", style="default")
    if it.resolved_ms is None:
        text.append("– open", style="default")
    else:
        lasted = as_text(it.resolved_ms - it.opened_ms)
        text.append(f"–{_clock(it.resolved_ms, span_ms)} ({lasted})", style="default")
    if it.observed is not None:
        past = f" past {plain(it.threshold, 4)}" if it.threshold is not None else ""
        text.append(f" {plain(it.observed, 4)} {it.unit}".rstrip() + past, style="dim")
    if it.muted:
        text.append(f" muted: {it.muted}", style="dim")
    return text


def _clock(at_ms: int, span_ms: int) -> str:
    form = "%H:%M" if span_ms <= _DAY_MS else "%d %b %H:%M"
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime(form)


def _bar(episodes: "Sequence[BreachEpisode]", from_ms: int, to: int, cells: int) -> "Text":
    from rich.text import Text

    severities = list(SEVERITY_STYLES)
    bar = Text()
    step = max((to - from_ms) / cells, 1)
    for cell in range(cells):
        begins, ends = from_ms + cell * step, from_ms + (cell + 1) * step
        here = [
            severities.index(it.severity)
            for it in episodes
            if it.opened_ms < ends and (it.resolved_ms is None or it.resolved_ms > begins)
        ]
        if here:
            severity = severities[max(here)]
            bar.append(_MARKS[severity], style=SEVERITY_STYLES[severity])
        else:
            bar.append(_NOTHING, style="dim")
    return bar
