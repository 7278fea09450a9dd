"""Draw what a backtest found: a line a series, time to the right."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.cli.figures import number
from agents.cli.rule_backtest import Backtest, Compared
from agents.cli.rule_episodes import Episode
from agents.cli.rules_view import STYLES
from agents.runtime.visible import visible
from schemas.rules import SEVERITIES
from schemas.spans import as_text

#: Rises with the severity, so that it shows without colours too.
_MARKS = dict(zip(SEVERITIES, "▂▄▆█", strict=True))
_NONE = "·"
_DAY_MS = 86_400_000
#: Of the terminal's width, for the time axis.
_SHARE = 0.3
_SIGNS = {"only here": "+", "only there": "-", "changed": "~"}
#: So many breaches of one series are listed, the rest counted.
_LISTED = 5


def drawn(backtest: Backtest, width: int) -> RenderableType:
    """Return the timeline of a rule file."""
    episodes = backtest.episodes()
    from_ms, to = backtest.range
    cells = max(int(width * _SHARE), 10)
    parts: list[RenderableType] = [
        Text(f"{backtest.loaded.path} ({backtest.loaded.hash})", style="bold"),
        Text(
            f"{moment(from_ms)} to {moment(to)} UTC, {number(backtest.windows)} windows of"
            f" {number(len(backtest.series))} series"
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


def difference(compared: Sequence[Compared], here: Backtest, there: Backtest) -> RenderableType:
    """Return what one rule file says and the other does not."""
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
        lines = [_line(each, span_ms) for each in (it.there, it.here) if each is not None]
        shown.add_row(
            Text(_SIGNS[it.difference], style="bold"),
            it.any.rule,
            Text(visible(it.any.series)),
            Text(" → ").join(lines),
        )
    return Group(head, shown)


def moment(at_ms: int) -> str:
    """Return a time in UTC, to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _counted(episodes: Sequence[Episode]) -> str:
    if not episodes:
        return "nothing opened"
    still = sum(it.resolved_ms is None for it in episodes)
    undone = sum(it.why == "undone" for it in episodes)
    extra = f", {still} still open" if still else ""
    extra += f", {undone} undone by later data" if undone else ""
    return f"{len(episodes)} opened{extra}"


def _listed(episodes: Sequence[Episode], span_ms: int) -> Iterator[Text]:
    for it in episodes[:_LISTED]:
        yield _line(it, span_ms)
    if len(episodes) > _LISTED:
        yield Text(f"… and {len(episodes) - _LISTED} more (--json)", style="dim")


def _line(it: Episode, span_ms: int) -> Text:
    text = Text(it.severity, style=STYLES[it.severity])
    text.append(f" {_clock(it.opened_ms, span_ms)}", style="default")
    if it.resolved_ms is None:
        text.append("– open", style="default")
    else:
        lasted = as_text(it.resolved_ms - it.opened_ms)
        text.append(f"–{_clock(it.resolved_ms, span_ms)} ({lasted})", style="default")
    if it.observed is not None:
        past = f" past {it.threshold:.4g}" if it.threshold is not None else ""
        text.append(f" {it.observed:.4g} {it.unit}".rstrip() + past, style="dim")
    return text


def _clock(at_ms: int, span_ms: int) -> str:
    form = "%H:%M" if span_ms <= _DAY_MS else "%d %b %H:%M"
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime(form)


def _bar(episodes: Sequence[Episode], from_ms: int, to: int, cells: int) -> Text:
    bar = Text()
    step = max((to - from_ms) / cells, 1)
    for cell in range(cells):
        begins, ends = from_ms + cell * step, from_ms + (cell + 1) * step
        here = [
            SEVERITIES.index(it.severity)
            for it in episodes
            if it.opened_ms < ends and (it.resolved_ms is None or it.resolved_ms > begins)
        ]
        if here:
            severity = SEVERITIES[max(here)]
            bar.append(_MARKS[severity], style=STYLES[severity])
        else:
            bar.append(_NONE, style="dim")
    return bar
