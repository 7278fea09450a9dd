"""Watch the aggregates: a live table, or lines for a pipe."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.printing import console, write_json_lines
from agents.cli.running import NO, Sentence, run, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents.cli.kafka import Reader
    from agents.runtime.settings import Settings

#: How far back to begin: every series that is alive was published again since.
BACK_S = 600
#: Lines around the rows of the table.
_FRAME = 5
_SIZES = ("1m", "5m", "1h", "6h", "24h", "7d")


def tail(
    *,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            "-w",
            metavar="SIZE",
            help=f"{', '.join(_SIZES)}. The table's default is 1m, --json's all.",
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            "--series", "-s", metavar="GLOB", help="Only series whose name matches this pattern."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One aggregate a line, as it stands on the topic.")
    ] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="All that the topic still has.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=0, metavar="SECONDS", help="End after so many seconds."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read up to now, show it and end; exit 1 if nothing.")
    ] = False,
) -> None:
    """Watch success rates, percentiles and cache hits live.

    A series a row: an operation (* for all of them together), by nothing, by a platform or by a
    confidence level. The newest window of each is shown; "…" until it is final. Times are UTC.

    Examples:
      opwatch tail
      opwatch tail --window 1h --series 'parse_job_data*'
      opwatch tail --series '*{platform="lever"}'
      opwatch tail --once
      opwatch tail --json --window 1m | jq -c '[.series, .count, .duration_ms.p95]'
    """
    if window is not None and window not in _SIZES:
        raise typer.BadParameter(
            f"{window!r} is none of {', '.join(_SIZES)}", param_hint="--window"
        )
    work = _lines if as_json else _table
    chosen = settings()
    shown = run(
        work(
            _Source(
                chosen, window if as_json else window or "1m", series, from_beginning, seconds, once
            )
        )
    )
    if once and not shown:
        name = f"{chosen.topic_prefix}aggregates"
        hint = "" if from_beginning else " in the last 10 minutes; --from-beginning looks further"
        raise Sentence(f"nothing that matches was published on {name}{hint}.", NO)


class _Source:
    """Which aggregates, from when, for how long."""

    def __init__(
        self,
        chosen: "Settings",
        window: str | None,
        series: str | None,
        from_beginning: bool,
        seconds: float | None,
        once: bool,
    ) -> None:
        self.settings = chosen
        self.window = window
        self.once = once
        self._series = series
        self._since = None if from_beginning else int((time.time() - BACK_S) * 1000)
        self._seconds = seconds

    async def batches(self, *, services: bool = False) -> "AsyncIterator[list[tuple[bytes, Any]]]":
        """Yield batches of (value, aggregate), once a moment, even an empty one.

        Args:
            services: also theirs; of an aggregate there is then only what rules read.
        """
        from agents.cli.kafka import reader
        from agents.cli.tail_values import of_all, of_operations
        from schemas.topics import AGGREGATES

        async with reader(self.settings, self.settings.topic(AGGREGATES)) as topic:
            await topic.from_time(self._since)
            decode = (of_all if services else of_operations)(self._series)
            async for values in self._values(topic):
                yield [pair for value in values if (pair := decode(value)) is not None]

    async def _values(self, topic: "Reader") -> "AsyncIterator[list[bytes]]":
        if self.once:
            yield [record.value async for record in topic.to_the_end()]
            return
        until = time.monotonic() + self._seconds if self._seconds is not None else None
        async for records in topic.onwards():
            yield [record.value for record in records]
            if until is not None and time.monotonic() >= until:
                return


async def _table(source: _Source) -> int:
    from rich.live import Live

    from agents.cli.table import LiveTable

    out = console()
    table = LiveTable(source.window)  # type: ignore[arg-type]  # checked above
    rows = max(out.height - _FRAME, 5) if out.is_terminal else None
    if source.once:
        async for batch in source.batches():
            for _, aggregate in batch:
                table.update(aggregate)
        if len(table):
            out.print(table.renderable(width=out.width))
        return len(table)
    with Live(table.renderable(rows, out.width), console=out, auto_refresh=False) as live:
        async for batch in source.batches():
            for _, aggregate in batch:
                table.update(aggregate)
            rows = max(out.height - _FRAME, 5) if out.is_terminal else None
            live.update(table.renderable(rows, out.width), refresh=out.is_terminal)
    return len(table)


async def _lines(source: _Source) -> int:
    from streams.rules.records import name_of

    written = 0
    newest: dict[tuple[str, str, int], tuple[int, bytes]] = {}
    async for batch in source.batches(services=True):
        lines = []
        for value, aggregate in batch:
            window = aggregate.window
            if source.window is not None and window.size != source.window:
                continue
            written += 1
            if source.once:
                key = name_of(aggregate), window.size, window.start_ms
                if aggregate.revision >= newest.get(key, (0, b""))[0]:
                    newest[key] = aggregate.revision, value
            else:
                lines.append(value)
        write_json_lines(lines)
    write_json_lines(value for _, value in newest.values())
    return written
