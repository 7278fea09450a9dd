"""Make dead letters of refused records, and publish them in bounded batches."""

import hashlib
from collections import Counter

from agents.kafka.producer import OutgoingRecord, Producer
from agents.runtime import metrics
from schemas.dead_letters import KEPT_BYTES, DeadLetter, Reason, to_headers
from streams.record_limits import RefusedRecord

#: Dead letters published together; other tasks run in between.
_TOGETHER = 500
#: With more bytes of them than this, reading waits until they are published.
_WAITING_BYTES = 8 * 1024 * 1024
#: The memory of a dead letter without its value: headers, key and objects.
_OVERHEAD_BYTES = 1_500


class DeadLetterBuffer:
    """Dead letters of one source partition that are to be published, in order."""

    def __init__(self, topic: str, source_topic: str, partition: int) -> None:
        """Begin with none.

        Args:
            topic: of dead letters.
            source_topic: what was refused stands there, …
            partition: … in this partition.
        """
        self._topic = topic
        self._source = source_topic, partition
        self._records: list[OutgoingRecord] = []
        self._reasons: Counter[str] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def are_many(self) -> bool:
        """Whether they should be published before more is read, since they take much memory."""
        return self._bytes >= _WAITING_BYTES

    def add(self, refused: RefusedRecord) -> None:
        """Add the dead letter of a record, or an element; it is made at once, its value cut."""
        record = refused_record(self._topic, *self._source, refused)
        self._records.append(record)
        self._reasons[refused.reason] += 1
        self._bytes += len(record.value or b"") + _OVERHEAD_BYTES

    def take(self) -> "DeadLetterBuffer":
        """Return the dead letters so far, and start an empty buffer."""
        batch = DeadLetterBuffer(self._topic, *self._source)
        batch._records, self._records = self._records, []
        batch._reasons, self._reasons = self._reasons, Counter()
        batch._bytes, self._bytes = self._bytes, 0
        return batch

    async def publish(self, producer: Producer) -> None:
        """Return once the broker has all of them."""
        for start in range(0, len(self._records), _TOGETHER):
            await producer.publish(self._records[start : start + _TOGETHER])
        for reason, count in self._reasons.items():
            metrics.dead_letters.labels(reason).inc(count)


def refused_record(
    topic: str, source_topic: str, partition: int, refused: RefusedRecord
) -> OutgoingRecord:
    """Return the dead letter of a record, or an element, that was refused."""
    return dead_letter(
        topic,
        refused.value,
        refused.reason,
        refused.detail,
        place=(source_topic, partition, refused.record.offset, refused.index),
        timestamp_ms=refused.record.timestamp,
    )


def dead_letter(
    topic: str,
    value: bytes,
    reason: Reason,
    detail: str,
    *,
    place: tuple[str, int, int, int | None],
    timestamp_ms: int,
    delivery: str | None = None,
    last_offset: int | None = None,
) -> OutgoingRecord:
    """Return a dead letter as a record; a value above the limit is cut.

    Args:
        topic: of dead letters.
        value: the bytes that were refused.
        reason: the code.
        detail: the sentence.
        place: where they stand: topic, partition, offset, and the element's index, if it is one.
        timestamp_ms: theirs.
        delivery: the message that could not be delivered, if it is about one.
        last_offset: the last of a range of offsets, if it stands for one.
    """
    source_topic, partition, offset, index = place
    headers = DeadLetter(
        reason=reason,
        detail=detail,
        topic=source_topic,
        partition=partition,
        offset=offset,
        index=index,
        delivery=delivery,
        last_offset=last_offset,
        timestamp_ms=timestamp_ms,
        size_bytes=len(value),
        sha256=hashlib.sha256(value).hexdigest(),
        truncated=len(value) > KEPT_BYTES,
    )
    return OutgoingRecord(topic, 0, headers.key.encode(), value[:KEPT_BYTES], to_headers(headers))
