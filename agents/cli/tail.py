"""Watch the aggregates: a live table, or lines for a pipe."""

import time
from collections.abc import AsyncIterator, Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from agents.cli.command import CommandError, run, settings
from agents.cli.printing import console, write_json_lines

if TYPE_CHECKING:
    from agents.kafka.reader import TopicReader
    from agents.runtime.settings import Settings

#: A record's value with the aggregate in it; None where it is not to be shown.
Decode = Callable[[bytes | None], tuple[bytes, Any] | None]
#: How far back to begin: every series that is alive was published again since.
BACK_S = 600
#: Lines around the rows of the table.
_FRAME = 5
_KINDS = ("operations", "quality")
_SIZES = ("1m", "5m", "1h", "6h", "24h", "7d")


def tail(
    *,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            "-w",
            metavar="SIZE",
            help=f"{', '.join(_SIZES)}; by default 1m, with --json all sizes.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            "-k",
            metavar="KIND",
            help=f"{', '.join(_KINDS)}; by default operations, with --json all kinds.",
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            "--series", "-s", metavar="GLOB", help="Only series whose name matches this pattern."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the records as they stand on the topic.")
    ] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the oldest record of the topic.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=0, metavar="SECONDS", help="End after this many seconds."),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Read up to now, print and end; exit 1 if there is nothing."),
    ] = False,
) -> None:
    """Watch success rates, percentiles and cache hits live; or the quality of analyses.

    Each row is a series: an operation (or all operations together), in total, of one platform or
    of one confidence level. It shows the newest window, with "…" until it is final. Times are UTC.
    With --kind quality it is scores from 0 to 1, by dimension and model: "not good" are below 0.85,
    "bad" below 0.7, unless configured.

    Examples:
      opwatch tail
      opwatch tail --window 1h --series 'parse_job_data*'
      opwatch tail --series '*{platform="lever"}'
      opwatch tail --kind quality --series 'overall:*{model=*}'
      opwatch tail --once
      opwatch tail --json --window 1m | jq -c '[.series, .count, .duration_ms.p95]'
    """
    if window is not None and window not in _SIZES:
        raise typer.BadParameter(
            f"{window!r} is none of {', '.join(_SIZES)}", param_hint="--window"
        )
    if kind is not None and kind not in _KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(_KINDS)}", param_hint="--kind")
    chosen = settings()
    source = _TailSource(
        chosen,
        kind if as_json else kind or _KINDS[0],
        window if as_json else window or "1m",
        series,
        None if from_beginning else int((time.time() - BACK_S) * 1000),
        seconds,
        once,
    )
    shown = run(_print_lines(source) if as_json else _print_table(source))
    if once and not shown:
        name = f"{chosen.topic_prefix}aggregates"
        hint = "" if from_beginning else " in the last 10 minutes; --from-beginning looks further"
        raise CommandError(f"nothing that matches was published on {name}{hint}.")


class _TailSource(NamedTuple):
    """Which aggregates, from when, for how long."""

    settings: "Settings"
    kind: str | None
    window: str | None
    series: str | None
    since_ms: int | None
    seconds: float | None
    once: bool

    async def batches(self, decode: Decode) -> AsyncIterator[list[tuple[bytes, Any]]]:
        """Yield batches of (value, aggregate), several times a second, even an empty one."""
        from agents.kafka.reader import topic_reader
        from schemas.topics import AGGREGATES

        async with topic_reader(self.settings, self.settings.topic(AGGREGATES)) as topic:
            await topic.from_time(self.since_ms)
            async for values in self._values(topic):
                yield [pair for value in values if (pair := decode(value)) is not None]

    async def _values(self, topic: "TopicReader") -> AsyncIterator[list[bytes]]:
        if self.once:
            yield [record.value async for record in topic.to_the_end()]
            return
        until = time.monotonic() + self.seconds if self.seconds is not None else None
        async for records in topic.onwards():
            yield [record.value for record in records]
            if until is not None and time.monotonic() >= until:
                return


async def _print_table(source: _TailSource) -> int:
    from rich.live import Live

    from agents.cli.live_table import LiveTable

    out = console()
    table = LiveTable(source.window)  # type: ignore[arg-type]  # checked above
    batches = source.batches(_whole(source.kind, source.series))
    if source.once:
        async for batch in batches:
            for _, aggregate in batch:
                table.update(aggregate)
        if len(table):
            out.print(table.renderable(width=out.width))
        return len(table)

    def renderable() -> Any:
        return table.renderable(max(out.height - _FRAME, 5) if out.is_terminal else None, out.width)

    with Live(renderable(), console=out, auto_refresh=False) as live:
        async for batch in batches:
            for _, aggregate in batch:
                table.update(aggregate)
            live.update(renderable(), refresh=out.is_terminal)
    return len(table)


async def _print_lines(source: _TailSource) -> int:
    from streams.rules.aggregate_reader import kind_of, name_of

    written = 0
    newest: dict[tuple[str, str, int], tuple[int, bytes]] = {}
    async for batch in source.batches(_of_all(source.series)):
        lines = []
        for value, aggregate in batch:
            window = aggregate.window
            if source.window is not None and window.size != source.window:
                continue
            if source.kind is not None and kind_of(aggregate) != source.kind:
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


def _whole(kind: str | None, pattern: str | None) -> Decode:
    """Return what decodes aggregates of a kind, whole, if the pattern fits their series."""
    import msgspec

    from agents.cli.live_table import name_of
    from schemas.aggregates import Aggregate, QualityAggregate
    from schemas.fast_structs import struct_of

    model = QualityAggregate if kind == "quality" else Aggregate
    decoder = msgspec.json.Decoder(struct_of(model))

    def decode(value: bytes | None) -> tuple[bytes, Any] | None:
        if value is None:  # a tombstone
            return None
        try:
            aggregate: Any = decoder.decode(value)
        except msgspec.MsgspecError:  # of a kind or version this program cannot read
            return None
        if pattern and not fnmatchcase(name_of(aggregate), pattern):
            return None
        return value, aggregate

    return decode


def _of_all(pattern: str | None) -> Decode:
    """Return what decodes aggregates of services too; of each only the fields that rules read."""
    from streams.rules import aggregate_reader

    def decode(value: bytes | None) -> tuple[bytes, Any] | None:
        aggregate = aggregate_reader.read_aggregate(value or b"")
        if aggregate is None or (
            pattern and not fnmatchcase(aggregate_reader.name_of(aggregate), pattern)
        ):
            return None
        assert value is not None
        return value, aggregate

    return decode
