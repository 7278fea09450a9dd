"""Return what a series was between two times, as the topics and the history know it."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog

from agents.dashboard.stored_windows import (
    operations_point_of,
    quality_point_of,
    start_ms_of,
)
from agents.dashboard.world import World
from agents.database.connection import NoDatabase, connect
from agents.runtime.masking import masked_urls
from agents.runtime.settings import Settings
from schemas.spans import SECOND_MS
from streams.dashboard.book import Books, Place, SeriesBook
from streams.dashboard.series_view import scores_of, series_of
from streams.dashboard.spans import POINT_SIZE, TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.measure.window_times import SIZES
from streams.rules.aggregate_reader import ScoreSeriesFields, SeriesFields

log = structlog.get_logger()

#: Series and times that are remembered: those that somebody looked at last.
_MOST = 32
_RETRY_S = 5.0
_TIMEOUT_S = 20.0

_OPERATIONS = """
SELECT size, start_at, revision, final, count, failures, cache_lookups, cache_hits,
 duration_sum_ms, max_ms, p50_ms, p95_ms, p99_ms, failures_by_type, exemplars, digest
FROM {schema}.windows
WHERE series = $1 AND size = ANY($2) AND start_at >= $3 AND start_at < $4
"""
_QUALITY = """
SELECT size, start_at, revision, final, count, mean, p5, good, acceptable, findings, exemplars,
 configurations
FROM {schema}.quality_windows
WHERE series = $1 AND size = ANY($2) AND start_at >= $3 AND start_at < $4
"""


Labels = tuple[str, str | None, str | None]
"""Operation, platform and confidence level of a series."""


class _FixedSeries:
    """What is known of a series between two times."""

    def __init__(self) -> None:
        self.books = Books(1)
        self.sums = SpanSums(self.books)
        self.state = "The history of then is being read."
        """Why the history is not in it; empty once it is."""


class StoredSpans:
    """Series between two times, each read from the history once."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self._fixed: OrderedDict[tuple[Labels, TrailingSpan], _FixedSeries] = OrderedDict()
        self._wanted = asyncio.Event()
        self._is_configured = settings.metrics_database_url is not None

    def sums(self, labels: Labels, span: TrailingSpan) -> tuple[SpanSums, str]:
        """Return the sums of a series, and what keeps the history from being in them, if so."""
        fixed = self._fixed.get((labels, span))
        if fixed is None:
            fixed = self._fixed[labels, span] = _FixedSeries()
            if not self._is_configured:
                fixed.state = "METRICS_DATABASE_URL is not set: here is only what Kafka keeps."
            self._wanted.set()
            if len(self._fixed) > _MOST:
                self._fixed.popitem(last=False)
        self._fixed.move_to_end((labels, span))
        self._copy(labels, span, fixed.books)
        return fixed.sums, fixed.state

    def _copy(self, labels: Labels, span: TrailingSpan, books: Books) -> None:
        """Put in what the topics say; of two windows the newer stands."""
        world = self._world.books
        for _, place, point in _windows(world.operations.get(series_of(labels)), span):
            books.put_operations(series_of(labels), SeriesFields(*labels), place, point)
        scores = scores_of(labels)
        for fields, place, point in _windows(world.quality.get(scores or ""), span):
            books.put_quality(scores or "", fields, place, point)

    async def run(self) -> None:
        """Read what is wanted, for ever; try again while it cannot be read."""
        while self._is_configured:
            await self._wanted.wait()
            self._wanted.clear()
            waiting = [(key, fixed) for key, fixed in self._fixed.items() if fixed.state]
            try:
                await self._read(waiting)
                continue
            except NoDatabase as error:
                why = str(error)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                why = str(error) or "no answer in time"
            for _, fixed in waiting:
                if fixed.state:  # those before the error are read
                    fixed.state = f"The history cannot be read: {masked_urls(why)}"
            await asyncio.sleep(_RETRY_S)
            self._wanted.set()

    async def _read(self, waiting: list[tuple[tuple[Labels, TrailingSpan], _FixedSeries]]) -> None:
        async with asyncio.timeout(_TIMEOUT_S):
            connection = await connect(self._settings, writes=False)
            try:
                for (labels, span), fixed in waiting:
                    await self._fill(connection, labels, span, fixed.books)
                    fixed.state = ""
            finally:
                connection.terminate()

    async def _fill(
        self, connection: asyncpg.Connection, labels: Labels, span: TrailingSpan, books: Books
    ) -> None:
        name, scores = series_of(labels), scores_of(labels)
        sizes = list(SIZES[SIZES.index(POINT_SIZE[span.name]) :])
        times = _moment(span.before.start_ms), _moment(span.end_ms)
        schema = f'"{self._settings.db_schema}"'
        query = _OPERATIONS.format(schema=schema)
        for row in await connection.fetch(query, name, sizes, *times):
            place = row["size"], start_ms_of(row)
            books.put_operations(name, SeriesFields(*labels), place, operations_point_of(row))
        if scores is None:
            return
        query = _QUALITY.format(schema=schema)
        for row in await connection.fetch(query, scores, sizes, *times):
            place = row["size"], start_ms_of(row)
            fields = ScoreSeriesFields("overall", labels[0], labels[1])
            books.put_quality(scores, fields, place, quality_point_of(row))


def _windows(book: SeriesBook[Any] | None, span: TrailingSpan) -> Iterator[tuple[Any, Place, Any]]:
    if book is not None:
        for size in SIZES:
            for start_ms, point in book.points(size, span.before.start_ms, span.end_ms):
                yield book.series, (size, start_ms), point


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / SECOND_MS, UTC)
