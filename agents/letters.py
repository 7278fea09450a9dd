"""Make dead letters out of what was refused."""

import hashlib

from agents.outbox import Outgoing
from schemas.dead_letters import KEPT_BYTES, DeadLetter, Reason, to_headers
from streams.decode import Refused


def dead_letter(topic: str, source_topic: str, partition: int, refused: Refused) -> Outgoing:
    """Return the dead letter of a record, or an element, that was refused."""
    return letter(
        topic,
        refused.value,
        refused.reason,
        refused.detail,
        place=(source_topic, partition, refused.record.offset, refused.index),
        timestamp_ms=refused.record.timestamp,
    )


def letter(
    topic: str,
    value: bytes,
    reason: Reason,
    detail: str,
    *,
    place: tuple[str, int, int, int | None],
    timestamp_ms: int,
    delivery: str | None = None,
) -> Outgoing:
    """Return a dead letter as a record: past the limit its value is cut.

    Args:
        topic: of dead letters.
        value: the bytes that were refused.
        reason: the code.
        detail: the sentence.
        place: where they stand: topic, partition, offset, and the element's index, if it is one.
        timestamp_ms: theirs.
        delivery: the message that could not be delivered, if it is about one.
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
        timestamp_ms=timestamp_ms,
        size_bytes=len(value),
        sha256=hashlib.sha256(value).hexdigest(),
        truncated=len(value) > KEPT_BYTES,
    )
    return Outgoing(topic, 0, headers.key.encode(), value[:KEPT_BYTES], to_headers(headers))
