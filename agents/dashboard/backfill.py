"""Read figures and scores that were published before the dashboard began, without hurry."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from agents.dashboard.closing import close, within
from agents.dashboard.following import Followed
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings

log = structlog.get_logger()

_POLL_MS = 500
_RETRY_S = 2.0
_START_S = 10.0
_FETCH_BYTES = 4 * 1024 * 1024
#: Half of the time is left to what is live.
_LOAD = 0.5


async def read_back(
    settings: Settings, until: Mapping[TopicPartition, int], topics: Collection[Followed]
) -> None:
    """Read the past of topics, up to where reading of each partition began.

    After an error of Kafka it reads them again. It waits for a broker that is silent.

    Args:
        settings: where Kafka is, and how far back.
        until: the first offset of each partition that is read by others.
        topics: what is read, as far back as the settings want.
    """
    followed = {settings.topic(it.topic): it for it in topics}
    ends = {tp: end for tp, end in until.items() if tp.topic in followed}
    while ends:
        if await _read(settings, ends, followed):
            return
        await asyncio.sleep(_RETRY_S)


async def _read(
    settings: Settings, ends: Mapping[TopicPartition, int], followed: Mapping[str, Followed]
) -> bool:
    """Read all records before the ends; return whether no error of Kafka kept it from that."""
    consumer = AIOKafkaConsumer(
        **settings.kafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    began_s = time.monotonic()
    records = 0
    try:
        await within(_START_S, consumer.start())
        consumer.assign(list(ends))
        waiting = await _begin(consumer, ends, settings.dashboard_back_s)
        while waiting:
            batches = await consumer.getmany(*waiting, timeout_ms=_POLL_MS)
            step_s = time.monotonic()
            pace = Pace()
            for tp, found in batches.items():
                records += len(found)
                topic = followed[tp.topic]
                before = (record for record in found if record.offset < ends[tp])
                for record in topic.thin(before):
                    topic.take(record)
                    await pace.rest()
            waiting = [tp for tp in waiting if await consumer.position(tp) < ends[tp]]
            await asyncio.sleep((time.monotonic() - step_s) * (1 - _LOAD) / _LOAD)
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("older records cannot be read, trying again", error=repr(error))
        return False
    finally:
        await close(consumer.stop)
    took_s = round(time.monotonic() - began_s, 1)
    log.info("older records are read", records=records, took_s=took_s)
    return True


class _Version(msgspec.Struct, gc=False):
    revision: int
    final: bool


_version_of = msgspec.json.Decoder(_Version).decode


def newest_of(records: Iterable[Any]) -> Iterable[Any]:
    """Return of each window the record of the largest revision: most are published many times."""
    newest: dict[bytes, tuple[tuple[int, bool], Any]] = {}
    for record in records:
        if not record.value:
            continue
        try:
            found = _version_of(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        version = found.revision, found.final
        if record.key not in newest or version >= newest[record.key][0]:
            newest[record.key] = version, record
    return [record for _, record in newest.values()]


async def _begin(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], back_s: float
) -> list[TopicPartition]:
    """Go to where the past begins; return the partitions in which there is any."""
    since_ms = int(1000 * (time.time() - back_s))
    begins = await consumer.beginning_offsets(list(ends))
    found = await consumer.offsets_for_times(dict.fromkeys(ends, since_ms))
    waiting = []
    for tp, end in ends.items():
        start = found[tp].offset if found.get(tp) else end
        start = max(start, begins[tp])
        consumer.seek(tp, start)
        if start < end:
            waiting.append(tp)
    return waiting
