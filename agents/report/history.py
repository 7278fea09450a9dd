"""Read windows from the history: sums and merged digests of series over a span."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from agents.database.connection import connect
from agents.report.table import Chart, Line, ReportSpan
from agents.runtime.settings import Settings
from schemas.spans import as_text
from streams.measure.digests import count_from, quantiles_of_all
from streams.measure.window_times import SIZE_MS, SIZES

#: Rows fetched at once; and how long a report may take.
_FETCHED = 2_000
TIMEOUT_S = 600.0
RANKS = (0.5, 0.9, 0.95, 0.99)
#: A chart has about this many points.
_POINTS = 100

Progress = Callable[[str], None]
"""Takes what a long report is doing."""


class Figures(NamedTuple):
    """What a series came to over a span: the columns of opwatch.figures()."""

    series: str
    operation: str
    platform: str | None
    confidence: str | None
    operations: int
    failures: int
    missing: int
    success_rate: float
    mean_ms: float
    lookups: int
    hit_rate: float | None
    miss_rate: float | None


_COLUMNS = ", ".join(Figures._fields).replace("operations", "count AS operations")


class StoredHistory:
    """The history as it stands at one moment: all reads see the same."""

    def __init__(self, connection: asyncpg.Connection, schema: str, progress: Progress) -> None:
        """Read through a connection that is in a transaction."""
        self._connection = connection
        self._schema = schema
        self._progress = progress

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Return what a query finds; `opwatch.` in it stands for the schema."""
        return await self._connection.fetch(self._of_schema(query), *arguments, timeout=TIMEOUT_S)

    async def figures(self, span: ReportSpan, operation: str | None = "*") -> dict[str, Figures]:
        """Return the figures by series; without an operation, of all series."""
        query = f"SELECT {_COLUMNS} FROM opwatch.figures($1, $2, $3)"  # noqa: S608 - our own names
        self._progress(f"adding up {span}")
        found = await self.rows(query, *span, operation)
        return {row["series"]: Figures(*row.values()) for row in found}

    async def digests(
        self, span: ReportSpan, operation: str | None = "*", condition: str = "true"
    ) -> dict[str, list[bytes]]:
        """Return the digests by series.

        Args:
            span: of the windows.
            operation: of the series; None: any.
            condition: which windows `w`, in SQL.
        """
        query = self._of_schema(
            "SELECT w.series, w.digest FROM opwatch.windows_in($1, $2, $3) w"  # noqa: S608
            f" WHERE {condition}"
        )
        found: dict[str, list[bytes]] = defaultdict(list)
        number = 0
        arguments = (*span, operation)
        async for row in self._connection.cursor(
            query, *arguments, prefetch=_FETCHED, timeout=TIMEOUT_S
        ):
            found[row["series"]].append(row["digest"])
            number += 1
            if number % _FETCHED == 0:
                self._progress(f"reading the durations of {span}: {number:,} windows")
        return found

    async def percentiles(
        self, span: ReportSpan, operation: str | None = "*", condition: str = "w.confidence IS NULL"
    ) -> dict[str, list[float]]:
        """Return the values (ms) at RANKS by series, of merged digests."""
        digests = await self.digests(span, operation, condition)
        self._progress(f"merging the durations of {len(digests):,} series")
        return {series: quantiles_of_all(parts, RANKS) for series, parts in digests.items()}

    async def slow(
        self, span: ReportSpan, bounds_ms: Sequence[int], operation: str | None
    ) -> dict[tuple[str, int], int]:
        """Return how many operations took a bound or longer, by series and bound."""
        digests = await self.digests(span, operation) if bounds_ms else {}
        return {
            (series, bound_ms): sum(count_from(packed, bound_ms) for packed in parts)
            for series, parts in digests.items()
            for bound_ms in bounds_ms
        }

    async def charts(self, span: ReportSpan, series: Sequence[str]) -> list[Chart]:
        """Return success rate and p95 over time of series, as windows have them."""
        length_ms = (span.end - span.start) / timedelta(milliseconds=1)
        size = min(SIZES, key=lambda size: abs(length_ms / SIZE_MS[size] - _POINTS))
        found = await self.rows(
            "SELECT series, start_at, 100 * success_rate AS success_rate, p95_ms"
            " FROM opwatch.windows WHERE size = $1 AND start_at >= $2 AND end_at <= $3"
            " AND series = ANY($4) ORDER BY start_at",
            *(size, *span, list(series)),
        )
        charts = []
        titles = {"success_rate": ("Success rate", "%"), "p95_ms": ("p95 of the duration", "ms")}
        for column, (title, unit) in titles.items():
            lines = []
            for name in series:
                points = [row for row in found if row["series"] == name]
                times = [row["start_at"] for row in points]
                lines.append(Line(name, times, [row[column] for row in points]))
            charts.append(Chart(f"{title}, by {as_text(SIZE_MS[size])}", unit, lines))
        return charts

    async def reservations(self, span: ReportSpan) -> list[str]:
        """Return what a reader of figures over a span should know: what is not in them."""
        notes = []
        parts = await self.rows("SELECT * FROM opwatch.window_ranges($1, $2)", *span)
        stored = await self.rows(
            "SELECT size, min(start_at) AS since, min(end_at) AS until FROM opwatch.windows"
            " WHERE series = '*' GROUP BY size"
        )
        stored_since = {row["size"]: ReportSpan(row["since"], row["until"]) for row in stored}
        if not stored_since:
            return ["there is no history yet: does `opwatch worker store` run?"]
        begins = beginning(stored_since)
        if span.start < begins:
            notes.append(f"the history begins at {begins:%Y-%m-%d %H:%M} UTC")
        for part in parts:
            oldest = stored_since.get(part["size"])
            until = part["range_end"] if oldest is None else min(oldest.start, part["range_end"])
            since = max(part["range_start"], begins)
            if since < until and was_pruned(part["size"], stored_since):
                notes.append(
                    f"windows of {part['size']} are not stored any more, so that"
                    f" {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC is missing at the"
                    " span's edge"
                )
        provisional = await self.rows(
            "SELECT min(start_at) AS since FROM opwatch.windows_in($1, $2, '*')"
            " WHERE NOT final AND series = '*'",
            *span,
        )
        if provisional and provisional[0]["since"] is not None:
            notes.append(f"figures since {provisional[0]['since']:%Y-%m-%d %H:%M} UTC may change")
        return notes

    def _of_schema(self, query: str) -> str:
        return query.replace("opwatch.", f'"{self._schema}".')


def was_pruned(size: str, stored: Mapping[str, ReportSpan]) -> bool:
    """Return whether there are larger windows from before the first ones of a size.

    Args:
        size: of the windows.
        stored: the first window of each size that there is.
    """
    larger = SIZES[SIZES.index(size) + 1 :]
    ends = [stored[it].end for it in larger if it in stored]
    return bool(ends) and (size not in stored or min(ends) <= stored[size].start)


def beginning(stored: Mapping[str, ReportSpan]) -> datetime:
    """Return when the history begins: in the first window of the largest size."""
    first = max(stored, key=SIZES.index)
    begins = stored[first].start
    for size in reversed(SIZES):
        if size in stored and not was_pruned(size, stored):
            begins = max(begins, stored[size].start)
    return begins


@asynccontextmanager
async def open_history(
    settings: Settings, progress: Progress = lambda _text: None
) -> AsyncIterator[StoredHistory]:
    """Yield the history as it stands now; nothing can be written through it.

    Raises:
        agents.database.connection.NoDatabase: none is configured.
        asyncpg.PostgresError, OSError, TimeoutError: it cannot be reached, or refuses.
    """
    connection = await connect(settings, writes=False)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute("SET LOCAL timezone = 'UTC'")
            yield StoredHistory(connection, settings.db_schema, progress)
    finally:
        connection.terminate()


def whole_minutes(start_ms: int, end_ms: int) -> ReportSpan:
    """Return the whole minutes inside a span of epoch milliseconds."""
    starts, ends = -(-start_ms // 60_000), end_ms // 60_000
    return ReportSpan(*(datetime.fromtimestamp(at * 60, tz=UTC) for at in (starts, ends)))
