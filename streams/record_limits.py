"""Define a Kafka record as decisions see it, what it may hold at most, and its refusal."""

from typing import NamedTuple, Protocol

from schemas.dead_letters import Reason

#: A larger record is refused unread: Kafka's own default bound is a quarter of it.
MAX_RECORD_BYTES = 4 * 1024 * 1024
#: An array of more elements is refused as a whole: one dead letter, not one an element.
MAX_ELEMENTS = 10_000
#: What nests deeper is refused.
MAX_NESTING = 200


class KafkaRecord(Protocol):
    """A Kafka record, as far as it matters here."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


class KeyedRecord(KafkaRecord, Protocol):
    """A Kafka record with its key."""

    @property
    def key(self) -> bytes | None: ...


class RefusedRecord(NamedTuple):
    """A record, or an array's element, that does not count, and why."""

    record: KafkaRecord
    index: int | None  # type: ignore[assignment]  # hides tuple.index
    reason: Reason
    detail: str
    value: bytes
