"""Read windows from the history: sums and merged digests of series over a span."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from agents.database.connection import connect
from agents.report.table import Chart, Line, ReportSpan, lines_of
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


class Counts(NamedTuple):
    """What a series counted over a span."""

    series: str
    operation: str
    platform: str | None
    confidence: str | None
    operations: int
    failures: int


class SeriesSums:
    """The windows of a series over a span, added up as opwatch.figures() does."""

    def __init__(self, row: Any) -> None:
        """Begin with none; the row says of which series."""
        self.operation: str = row["operation"]
        self.platform: str | None = row["platform"]
        self.operations = self.failures = self.missing = self.lookups = self.hits = 0
        self.duration_ms = 0.0
        self._digests: list[bytes] = []

    def add(self, row: Any) -> None:
        """Add a window."""
        self.operations += row["count"]
        self.failures += row["failures"]
        self.missing += row["missing"]
        self.lookups += row["cache_lookups"]
        self.hits += row["cache_hits"]
        self.duration_ms += row["duration_sum_ms"]
        self._digests.append(row["digest"])

    @property
    def success_rate(self) -> float:
        """In per cent."""
        return 100 - 100 * self.failures / self.operations

    @property
    def hit_rate(self) -> float | None:
        """Of the cache, in per cent; None without lookups."""
        return 100 * self.hits / self.lookups if self.lookups else None

    @property
    def mean_ms(self) -> float:
        """The mean duration."""
        return self.duration_ms / self.operations

    def percentiles(self) -> list[float]:
        """Return the durations (ms) at RANKS, of all windows together."""
        return quantiles_of_all(self._digests, RANKS)


_WINDOW = (
    "w.series, w.operation, w.platform, w.count, w.failures, w.missing, w.duration_sum_ms,"
    " w.cache_lookups, w.cache_hits, w.digest"
)


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

    async def counts(self, span: ReportSpan, operation: str | None) -> list[Counts]:
        """Return the counts of each series; without an operation, of all operations."""
        self._progress(f"adding up {span}")
        found = await self.rows(
            "SELECT series, operation, platform, confidence, count AS operations, failures"
            " FROM opwatch.figures($1, $2, $3)",
            *(*span, operation),
        )
        return [Counts(*row.values()) for row in found]

    async def measured(
        self, span: ReportSpan, operation: str | None, condition: str
    ) -> dict[str, SeriesSums]:
        """Return what each series came to; arguments as those of `windows`."""
        found: dict[str, SeriesSums] = {}
        async for row in self.windows(span, operation, condition, _WINDOW):
            if row["series"] not in found:
                found[row["series"]] = SeriesSums(row)
            found[row["series"]].add(row)
        return found

    async def windows(
        self, span: ReportSpan, operation: str | None, condition: str, columns: str
    ) -> AsyncIterator[asyncpg.Record]:
        """Yield the windows that make up a span.

        Args:
            span: the span.
            operation: of the series; None: any.
            condition: which windows `w`, in SQL.
            columns: of the windows `w`, in SQL.
        """
        query = self._of_schema(
            f"SELECT {columns} FROM opwatch.windows_in($1, $2, $3) w WHERE {condition}"  # noqa: S608
        )
        number = 0
        arguments = (*span, operation)
        async for row in self._connection.cursor(
            query, *arguments, prefetch=_FETCHED, timeout=TIMEOUT_S
        ):
            yield row
            number += 1
            if number % _FETCHED == 0:
                self._progress(f"reading {span}: {number:,} windows")

    async def slow(
        self, span: ReportSpan, bounds_ms: Sequence[int], operation: str | None
    ) -> Counter[tuple[str, int]]:
        """Return how many operations took a bound or longer, by series and bound."""
        found: Counter[tuple[str, int]] = Counter()
        if bounds_ms:
            async for row in self.windows(span, operation, "true", "w.series, w.digest"):
                for bound_ms in bounds_ms:
                    found[row["series"], bound_ms] += count_from(row["digest"], bound_ms)
        return found

    async def charts(self, span: ReportSpan, series: Sequence[str]) -> list[Chart]:
        """Return success rate and p95 over time of series, as windows have them."""
        length_ms = (span.end - span.start) / timedelta(milliseconds=1)
        if not series:
            return []
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
            by_name = {line.label: line for line in lines_of(found, "series", column)}
            lines = [by_name.get(name, Line(name, [], [])) for name in series]
            charts.append(Chart(f"{title}, by {as_text(SIZE_MS[size])}", unit, lines))
        return charts

    async def reservations(self, span: ReportSpan) -> list[str]:
        """Return what a reader of figures over a span should know: what is not in them."""
        notes = []
        parts = await self.rows("SELECT * FROM opwatch.window_ranges($1, $2)", *span)
        stored_since: dict[str, ReportSpan] = {}
        for size in SIZES:
            first = await self.rows(
                "SELECT start_at, end_at FROM opwatch.windows WHERE series = '*' AND size = $1"
                " ORDER BY start_at LIMIT 1",
                size,
            )
            if first:
                stored_since[size] = ReportSpan(*first[0].values())
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
            "SELECT min(w.start_at) AS since FROM opwatch.window_ranges($1, $2) r,"
            " LATERAL (SELECT start_at FROM opwatch.windows w WHERE w.series = '*'"
            " AND w.size = r.size AND w.start_at >= r.range_start AND w.start_at < r.range_end"
            " AND NOT w.final) w",
            *span,
        )
        if provisional[0]["since"] is not None:
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
