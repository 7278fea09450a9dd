"""Show the demo while it runs: the live table, with headline, latest events and hints."""

from typing import Any, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from agents.cli.live_table import LiveTable

#: Lines of the table beside its rows: the headings and a rule, one more if rows are left out.
_FRAME = 2
_FEWEST_ROWS = 5
#: Without a terminal: how often a table is printed.
SNAPSHOT_S = 10.0
_SECONDS = 60


class Moment(NamedTuple):
    """What the screen shows at a moment."""

    elapsed_s: float
    total_s: float
    worker_pid: int | None
    restarts: int
    parser_pid: int | None
    published: int
    counted: int
    per_second: float
    notice: str
    """What happened last, or is going on."""
    alarming: bool
    quality: list[str]
    """How good analyses are, in two lines; none before the first score."""
    events: list[str]
    """The latest breaches and messages, one per line."""
    hints: tuple[str, ...]


def wants(aggregate: Any) -> bool:
    """Return whether the table shows this series; the chosen ones fit into 30 lines."""
    series = aggregate.series
    if series.operation == "score_confidence":
        return series.platform is None
    return series.confidence is None


class Screen:
    """A live table in a terminal; elsewhere a table every ten seconds."""

    def __init__(self, console: Console) -> None:
        """Show nothing yet."""
        self.table = LiveTable()
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._next_s = SNAPSHOT_S

    def __enter__(self) -> "Screen":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, moment: Moment) -> None:
        """Show the moment; without a terminal only if a snapshot is due."""
        if self._live:
            self._live.update(self._drawn(moment), refresh=True)
        elif moment.elapsed_s >= self._next_s:
            self._next_s += SNAPSHOT_S
            self._console.print(self._drawn(moment._replace(notice="", hints=())))
            self._console.print()

    def last(self, moment: Moment) -> None:
        """Show the final table."""
        if self._live:
            self._live.update(self._drawn(moment._replace(hints=())), refresh=True)
        else:
            self._console.print(self._drawn(moment._replace(notice="", hints=())))

    def announce(self, *sentences: str) -> None:
        """Print sentences if there is no terminal, where a notice would show them."""
        if not self._live:
            for sentence in sentences:
                self._console.print(sentence, markup=False, soft_wrap=True)

    def _drawn(self, moment: Moment) -> RenderableType:
        above = [_line(_headline(moment), "bold"), _line(_figures(moment))]
        above += [_line(line, "magenta") for line in moment.quality]
        if moment.notice:
            above.append(_line(moment.notice, "bold red" if moment.alarming else "yellow"))
        below = [_line(line, "cyan") for line in moment.events]
        below += [_line(hint, "dim") for hint in moment.hints]
        rows = None
        if self._console.is_terminal:
            rows = self._console.height - len(above) - len(below) - _FRAME
            rows = max(_FEWEST_ROWS, rows - (rows < len(self.table)))
        return Group(*above, self.table.renderable(rows, self._console.width), *below)


def _headline(moment: Moment) -> str:
    worker = f"worker pid {moment.worker_pid}" if moment.worker_pid else "worker starting"
    again = f", started again {_times(moment.restarts)}" if moment.restarts else ""
    return (
        f"opwatch demo  {_clock(moment.elapsed_s)} of {_clock(moment.total_s)}  ·  {worker}{again}"
        f"  ·  job parser pid {moment.parser_pid or '–'}"
    )


def _figures(moment: Moment) -> str:
    return (
        f"{moment.published:,} operations published  ·  {moment.counted:,} counted"
        f"  ·  {moment.per_second:,.0f} a second"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // _SECONDS}:{int(seconds) % _SECONDS:02}"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
