"""Make dead letters out of what was refused."""

import hashlib

from agents.outbox import Outgoing
from schemas.dead_letters import KEPT_BYTES, DeadLetter, to_headers
from streams.decode import Refused


def dead_letter(topic: str, source_topic: str, partition: int, refused: Refused) -> Outgoing:
    """Return the dead letter of a record, or an element, that was refused."""
    return letter(
        topic,
        DeadLetter(
            reason=refused.reason,
            detail=refused.detail,
            topic=source_topic,
            partition=partition,
            offset=refused.record.offset,
            index=refused.index,
            timestamp_ms=refused.record.timestamp,
            size_bytes=len(refused.value),
            sha256=hashlib.sha256(refused.value).hexdigest(),
            truncated=len(refused.value) > KEPT_BYTES,
        ),
        refused.value,
    )


def letter(topic: str, headers: DeadLetter, value: bytes) -> Outgoing:
    """Return a dead letter as a record: past the limit its value is cut."""
    return Outgoing(topic, 0, headers.key.encode(), value[:KEPT_BYTES], to_headers(headers))
