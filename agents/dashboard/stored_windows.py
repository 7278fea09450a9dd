"""Read from PostgreSQL the windows that Kafka does not keep, if it is configured."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import structlog

from agents.dashboard import closing
from agents.dashboard.world import World
from agents.database.connection import NoDatabase, connect
from agents.runtime.masking import masked_urls
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from schemas.series import WindowSize
from streams.dashboard.book import BOUNDS
from streams.dashboard.points import CENTROIDS, OperationsPoint, QualityPoint, ServicePoint
from streams.dashboard.records import CountsByName
from streams.measure.digests import are_packed, thinned
from streams.measure.series import service_series
from streams.measure.window_times import SIZE_MS
from streams.rules.aggregate_reader import ScoreSeriesFields, SeriesFields, ServiceFields

log = structlog.get_logger()

#: Minutes are read from Kafka alone.
_SIZES: tuple[WindowSize, ...] = ("24h", "7d", "6h", "1h", "5m")
_RETRY_S = 2.0
#: A page says within 5 s that the database is away.
_CONNECT_S = 3.0
_ASK_S = 1.0
_ANSWER_S = 2.0
#: What late data changed in between is read again.
_AGAIN_S = 6 * 3600.0
_FETCHED = 1_000
_TIMEOUT_S = 120.0

_OPERATIONS = """
SELECT series, operation, platform, confidence, start_at, revision, final, count, failures,
 cache_lookups, cache_hits, duration_sum_ms, max_ms, p50_ms, p95_ms, p99_ms, failures_by_type,
 exemplars, CASE WHEN start_at >= $3 THEN digest END AS digest
FROM {schema}.windows WHERE size = $1 AND start_at >= $2 ORDER BY start_at
"""
_QUALITY = """
SELECT series, dimension, operation, platform, model, start_at, revision, final, count, mean, p5,
 good, acceptable, findings, exemplars, configurations
FROM {schema}.quality_windows WHERE size = $1 AND start_at >= $2 ORDER BY start_at
"""
_SERVICES = """
SELECT service, start_at, revision, final, up_ms, degraded_ms, down_ms, unknown_ms
FROM {schema}.services WHERE size = $1 AND start_at >= $2 ORDER BY start_at
"""
_counts = msgspec.json.Decoder(CountsByName | None).decode


class StoredWindows:
    """Fills the books with what the history has."""

    def __init__(self, settings: Settings, world: World) -> None:
        self._settings = settings
        self._world = world
        self.is_configured = settings.metrics_database_url is not None
        self._read_s: float | None = None
        """When the history was read last, by the monotonic clock."""
        self.why: str | None = None
        """Why the history is not read, or the database does not answer, if so."""

    async def run(self) -> None:
        """Read the history, and again after some hours; try again while it cannot be read."""
        while self.is_configured:
            try:
                await self._connected()
            except NoDatabase as error:
                why = str(error)
            except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
                why = f"{error}: `opwatch db upgrade` makes the tables"
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                why = str(error) or "no answer in time"
            if self.why is None:
                log.warning("the history cannot be read", why=why)
            self.why = masked_urls(why)
            await asyncio.sleep(_RETRY_S)

    async def _connected(self) -> None:
        """Ask the database again and again whether it is there, and read when that is due.

        Raises:
            Exception: it does not answer, or cannot be read.
        """
        async with asyncio.timeout(_CONNECT_S):
            connection = await connect(self._settings, writes=False)
        reading: asyncio.Task[None] | None = None
        try:
            while True:
                await connection.execute("SELECT 1", timeout=_ANSWER_S)
                if reading is not None and reading.done():
                    reading.result()
                    reading, self._read_s = None, time.monotonic()
                if reading is None:
                    if self._is_due:
                        reading = asyncio.create_task(self._read())
                    else:
                        self.why = None
                await asyncio.sleep(_ASK_S)
        finally:
            connection.terminate()
            if reading is not None:
                await closing.end([reading])

    @property
    def age_s(self) -> float | None:
        """How long ago the history was read; None: never."""
        return None if self._read_s is None else time.monotonic() - self._read_s

    @property
    def _is_due(self) -> bool:
        return self.age_s is None or self.age_s > _AGAIN_S

    async def _read(self) -> None:
        began_s = time.monotonic()
        async with asyncio.timeout(_CONNECT_S):
            connection = await connect(self._settings, writes=False)
        windows = 0
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for size in _SIZES:
                    windows += await self._operations(connection, size)
                    windows += await self._quality(connection, size)
                    windows += await self._services(connection, size)
        finally:
            connection.terminate()
        took_s = round(time.monotonic() - began_s, 1)
        log.info("the history is read", windows=windows, took_s=took_s)

    async def _operations(self, connection: asyncpg.Connection, size: WindowSize) -> int:
        windows = 0
        async for row in self._rows(connection, _OPERATIONS, size, digests=True):
            series = SeriesFields(row["operation"], row["platform"], row["confidence"])
            point = operations_point_of(row)
            place = size, start_ms_of(row)
            self._world.books.put_operations(row["series"], series, place, point)
            windows += 1
        return windows

    async def _quality(self, connection: asyncpg.Connection, size: WindowSize) -> int:
        windows = 0
        async for row in self._rows(connection, _QUALITY, size):
            series = ScoreSeriesFields(
                row["dimension"], row["operation"], row["platform"], row["model"]
            )
            place = size, start_ms_of(row)
            self._world.books.put_quality(row["series"], series, place, quality_point_of(row))
            windows += 1
        return windows

    async def _services(self, connection: asyncpg.Connection, size: WindowSize) -> int:
        windows = 0
        async for row in self._rows(connection, _SERVICES, size):
            point = ServicePoint(
                row["revision"],
                row["final"],
                row["up_ms"],
                row["degraded_ms"],
                row["down_ms"],
                row["unknown_ms"],
            )
            series, place = ServiceFields(row["service"]), (size, start_ms_of(row))
            name = service_series(row["service"])
            self._world.books.put_service(name, series, place, point)
            windows += 1
        return windows

    async def _rows(
        self,
        connection: asyncpg.Connection,
        query: str,
        size: WindowSize,
        *,
        digests: bool = False,
    ) -> AsyncIterator[Any]:
        """Yield the windows of a size that are remembered; other tasks run in between."""
        bounds, now_s = BOUNDS[size], time.time()
        since = _moment(now_s - bounds.windows * SIZE_MS[size] / 1000)
        digests_since = _moment(now_s - bounds.digests * SIZE_MS[size] / 1000)
        arguments = [size, since, *([digests_since] if digests else ())]
        pace = Pace()
        text = query.format(schema=f'"{self._settings.db_schema}"')
        async for row in connection.cursor(text, *arguments, prefetch=_FETCHED, timeout=_TIMEOUT_S):
            yield row
            await pace.rest()


def operations_point_of(row: Any) -> OperationsPoint:
    """Return what is remembered of a window of operations, as the history has it."""
    types, others = _by_name(row["failures_by_type"])
    digest = row["digest"] or b""
    return OperationsPoint(
        row["revision"],
        row["final"],
        row["count"],
        row["failures"],
        row["cache_lookups"],
        row["cache_hits"],
        row["duration_sum_ms"],
        row["max_ms"],
        row["p50_ms"],
        row["p95_ms"],
        row["p99_ms"],
        types,
        others,
        (row["exemplars"] or "[]").encode(),
        thinned(digest, CENTROIDS) if digest and are_packed([digest]) else b"",
    )


def quality_point_of(row: Any) -> QualityPoint:
    """Return what is remembered of a window of scores, as the history has it."""
    return QualityPoint(
        row["revision"],
        row["final"],
        row["count"],
        row["mean"],
        row["p5"],
        row["good"],
        row["acceptable"],
        _by_name(row["findings"])[0],
        (row["exemplars"] or "[]").encode(),
        tuple(row["configurations"] or ()),
    )


def _by_name(encoded: str | None) -> tuple[dict[str, int], int]:
    try:
        counts = _counts(encoded or "null")
    except msgspec.MsgspecError:
        return {}, 0
    if counts is None:
        return {}, 0
    return {it.name: it.count for it in counts.most_frequent}, counts.other + counts.unnamed


def start_ms_of(row: Any) -> int:
    """Return when a window begins."""
    start_at: datetime = row["start_at"]
    return round(start_at.timestamp() * 1000)


def _moment(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
