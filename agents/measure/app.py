"""Run the measure role: one Faust app with its agents and their tables."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any

import faust
import structlog
import uvloop
from faust.types import TP

from agents import logs, metrics, topics
from agents.health import Health
from agents.instance import claim
from agents.measure.ingest import PROGRESS_S, TELL_S, Ingest
from agents.measure.rules import BEAT_S as RULES_BEAT_S
from agents.measure.rules import RulesBeat
from agents.measure.services import BEAT_S as SERVICES_BEAT_S
from agents.measure.services import ServicesBeat
from agents.measure.table import VersionedTable
from agents.measure.windows import BEAT_S, WindowsBeat
from agents.outbox import Outbox
from agents.settings import Settings
from agents.topics import TopicSpec
from agents.transport import Continuity, use_chunks
from agents.watchdog import Watchdog
from schemas.topics import AGGREGATES, HEARTBEATS, HOUR_MS, LARGE, OPERATIONS, PARTIALS
from streams.rows import revision_of
from streams.rules.rows import version_of as rules_version_of
from streams.service_rows import version_of as service_version_of

log = structlog.get_logger()

#: Work that waits and is not done for so long ends the process.
_STUCK_S = 60.0
#: Stopping takes at most this long; what is left is done again by whoever comes next.
_STOP_S = 8.0
EXIT_FAILED = 1
#: Chunks of the changelog that wait to be taken in: Faust's default, 1,000 records, means records.
_RESTORED_TOGETHER = 4
#: The tables, and what reads a packed row's version.
TABLES: dict[str, Callable[[bytes], Any]] = {
    "windows": revision_of,
    "services": service_version_of,
    "rules": rules_version_of,
}


class _Raw(faust.Schema):
    """Hands on what the transport delivers: agents decode."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's form
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002 - Faust's form
        return message.value


def _credentials(settings: Settings) -> Any:
    tls = settings.tls_context() if settings.kafka_tls else None
    if settings.kafka_sasl_mechanism and settings.kafka_password:
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=tls,
        )
    return faust.SSLCredentials(tls) if tls else None


def _faust_app(settings: Settings) -> faust.App:
    return faust.App(
        settings.topic_prefix + "measure",
        broker=";".join(f"kafka://{one}" for one in settings.kafka_bootstrap.split(",")),
        broker_credentials=_credentials(settings),
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_request_timeout=max(40.0, settings.session_timeout_s + 5),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=claim(settings, "measure"),
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        store="memory://",
        table_standby_replicas=0,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
    )


class Measure:
    """The role's parts, and what joins them."""

    def __init__(self, settings: Settings) -> None:
        """Make the app; nothing runs yet."""
        self.app = app = _faust_app(settings)
        operations, partials = settings.topic(OPERATIONS), settings.topic(PARTIALS)
        heartbeats = settings.topic(HEARTBEATS)
        aggregates = settings.topic(AGGREGATES)
        changelogs = {name: changelog_of(settings, name).name for name in TABLES}
        read = [operations, partials, heartbeats, aggregates]
        use_chunks(app, [*read, *changelogs.values()], self._lost)
        raw = _Raw(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        tables = {
            name: app.tables.add(
                VersionedTable(
                    app,
                    name=name,
                    partitions=settings.partitions,
                    schema=raw,
                    recovery_buffer_size=_RESTORED_TOGETHER,
                    version_of=version_of,
                )
            )
            for name, version_of in TABLES.items()
        }
        self._table_of = {changelogs[name]: table for name, table in tables.items()}
        app.agent(app.topic(operations, schema=raw), name="ingest")(self._read_operations)
        app.agent(app.topic(partials, schema=raw), name="windows")(self._read_partials)
        app.agent(app.topic(heartbeats, schema=raw), name="services")(self._read_heartbeats)
        app.agent(app.topic(aggregates, schema=raw), name="rules")(self._read_aggregates)
        self._operations = operations
        self._continuity = Continuity(app)
        self._outbox = Outbox(settings)
        self._ingest = Ingest(settings, self._outbox, lambda: app.consumer)
        self._windows = WindowsBeat(
            settings,
            self._outbox,
            lambda: app.consumer,
            tables["windows"].of,
            changelogs["windows"],
        )
        self._services = ServicesBeat(
            settings,
            self._outbox,
            lambda: app.consumer,
            tables["services"].of,
            changelogs["services"],
        )
        self._rules = RulesBeat(
            settings,
            self._outbox,
            lambda: app.consumer,
            tables["rules"].of,
            changelogs["rules"],
        )
        tables["rules"].on_recover(self._restored)
        self._health = Health(
            settings.http_host, settings.http_port, self._unready, self._rules.remarks
        )
        self._watchdog = Watchdog(settings.session_timeout_s, _STUCK_S)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until told to stop.

        Raises:
            Exception: whatever ended it.
        """
        await self._outbox.start()
        await self._health.start()
        self._watchdog.start()
        await self.app.start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._rules.source.ask)
        loops = [
            asyncio.create_task(self._every(TELL_S, self._ingest.tell)),
            asyncio.create_task(self._every(PROGRESS_S, self._report)),
            asyncio.create_task(self._every(BEAT_S, self._windows.beat)),
            asyncio.create_task(self._every(SERVICES_BEAT_S, self._services.beat)),
            asyncio.create_task(self._every(RULES_BEAT_S, self._rules.beat)),
        ]
        ends: list[asyncio.Future[Any]] = [
            asyncio.create_task(stopped.wait()),
            asyncio.create_task(self._ended()),
            self._failed,
            self._ingest.failed,
        ]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._watchdog.stop()
        for loop in loops:
            loop.cancel()
        if stopped.is_set():
            await self._stop()
            return
        for end in ends:
            if end.done():
                end.result()

    async def _stop(self) -> None:
        log.info("stopping")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self.app.stop()
                self._ingest.stop()
                await self._outbox.stop()
                await self._health.stop()

    async def _ended(self) -> None:
        """Return when Faust ended by itself, which it only does on an error."""
        while not self.app.should_stop:  # noqa: ASYNC110 - Faust has no event for both its ends
            await asyncio.sleep(0.5)
        message = "the Faust app ended"
        raise RuntimeError(message) from self.app.crash_reason

    # ------------------------------------------------------------------ agents

    async def _read_operations(self, stream: Any) -> None:
        await self._read(stream, self._ingest.read)

    async def _read_partials(self, stream: Any) -> None:
        await self._read(stream, self._windows.read)

    async def _read_heartbeats(self, stream: Any) -> None:
        await self._read(stream, self._services.read)

    async def _read_aggregates(self, stream: Any) -> None:
        await self._read(stream, self._rules.read)

    async def _read(self, stream: Any, read: Callable[[TP, Any], Awaitable[None]]) -> None:
        try:
            async for event in stream.noack().events():
                self._watchdog.turned()
                chunk = await self._continuity.accept(event.message)
                if chunk is not None:
                    await read(event.message.tp, chunk)
        except Exception as error:
            self._fail(error)
            raise

    def _fail(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    def _lost(self, tps: Collection[TP]) -> None:
        self._continuity.lost(tps)
        self._ingest.lost(tps)
        self._windows.lost(tps)
        self._services.lost(tps)
        self._rules.lost(tps)
        # Faust reads on where it stood in the changelog of a partition that stays: the rows it
        # read before are gone, so it must begin anew.
        recovery = self.app.tables.recovery
        recovery.flush_buffers()
        for tp in tps:
            if table := self._table_of.get(tp.topic):
                recovery.revoke(tp)
                table.lost(tp.partition)

    async def _restored(self) -> None:
        again = self.app.tables.recovery.signal_recovery_start.is_set()
        self._rules.restored = not self.app.rebalancing and not again

    # ------------------------------------------------------------------ health

    def _unready(self) -> str | None:
        app = self.app
        if app.in_recovery:
            return f"restoring the tables: {self._remaining()} records to go"
        if app.rebalancing or not app.started:
            return "waiting for Kafka to assign partitions"
        return None

    def _remaining(self) -> int:
        return int(self.app.tables.recovery.active_remaining_total())

    def _look(self) -> None:
        """Show the watchdog what waits: it ends a process that does not get on with it."""
        app = self.app
        metrics.recovering.set(app.in_recovery)
        waits = {f"{tp.topic}/{tp.partition}": at for tp, at in self._continuity.behind().items()}
        if app.in_recovery:
            waits = {"restoring the tables": self._remaining()}
        elif app.rebalancing:
            waits = {"an assignment of partitions": 0}
        self._watchdog.waits({} if self._outbox.away else waits)

    # ------------------------------------------------------------------ what is done by the clock

    async def _every(self, seconds: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            while True:
                began = time.monotonic()
                self._watchdog.turned()
                self._look()
                if not self.app.rebalancing and not self.app.in_recovery:
                    await do()
                await asyncio.sleep(max(0.01, began + seconds - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - a task's edge: the worker ends by it
            self._fail(error)

    async def _report(self) -> None:
        consumer: Any = self.app.consumer
        for tp in consumer.assignment():
            if tp.topic == self._operations:
                await self._ingest.begin(tp)
        await self._ingest.report()
        await self._continuity.look()


def changelog_of(settings: Settings, table: str) -> TopicSpec:
    """Return the topic that a table is restored from."""
    return TopicSpec(
        f"{settings.topic_prefix}measure-{table}-changelog",
        settings.partitions,
        {"cleanup.policy": "compact", "min.compaction.lag.ms": str(HOUR_MS)} | LARGE,
    )


def changelogs_of(settings: Settings) -> list[TopicSpec]:
    """Return the topics that the tables are restored from."""
    return [changelog_of(settings, table) for table in TABLES]


async def _main(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await topics.ensure(settings, changelogs_of(settings))
    try:
        await Measure(settings).run(stopped)
    except Exception:
        log.exception("the worker cannot go on and ends; what is not done is done again")
        os._exit(EXIT_FAILED)  # Faust's threads would not let the process end


def run(settings: Settings) -> None:
    """Run the role until SIGTERM or Ctrl-C; exit with 1 when it cannot go on.

    Raises:
        agents.topics.Unreachable: no broker answers.
        agents.topics.TopicMisfit: a topic does not fit the settings.
    """
    logs.configure(settings)
    uvloop.run(_main(settings))
