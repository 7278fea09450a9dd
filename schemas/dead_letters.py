"""Describe why a record or an array's element was refused, in the headers of `dead-letters`.

The value is the original bytes; the key is topic/partition/offset/index. A letter may stand for a
range of offsets: the reason stands in the index's place then. Of a message that could
not be delivered the value is the breach it tells of, and the delivery stands in the index's place.
"""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from schemas.base import Wire

Reason = Literal[
    "null_value",
    "empty_array",
    "invalid_json",
    "invalid_operation",
    "too_old",
    "from_future",
    "too_large",
    "window_expired",
    "undelivered",
    "invalid_breach",
    "invalid_command",
    "wrong_key",
    "invalid_heartbeat",
    "invalid_analysis",
    "invalid_label",
    "too_many_services",
    "too_often",
    "unreadable_batch",
    "lost",
    "poison",
    "not_stored",
]

#: Past this many bytes a dead letter keeps the first of them and a sha256 of the whole.
KEPT_BYTES = 64 * 1024


class DeadLetter(Wire):
    """The headers of a dead letter, each a UTF-8 text."""

    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    index: int | None = None
    last_offset: int | None = Field(
        None,
        description="Where it stands for a range of offsets: the last of them. The record batch"
        " from `offset` on could not be read, or Kafka removed the records before they were read.",
    )
    delivery: str | None = Field(
        None, description="The delivery that was abandoned: topic and offset are its breach's."
    )
    timestamp_ms: int
    size_bytes: int
    sha256: str
    truncated: bool = False
    version: Literal[1] = 1

    @property
    def key(self) -> str:
        """The record's key: where the refused bytes stand, so that repeats are one."""
        index: int | str | None = self.index
        if index is None:
            index = "-" if self.last_offset is None else self.reason
        return f"{self.topic}/{self.partition}/{self.offset}/{self.delivery or index}"


def to_headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    """Return a Kafka header a field, each a UTF-8 text; none for a field that is null."""
    fields = letter.model_dump(mode="json", exclude_none=True)
    return [
        (name, (str(value).lower() if isinstance(value, bool) else str(value)).encode())
        for name, value in fields.items()
    ]


def from_headers(headers: Iterable[tuple[str, bytes | None]]) -> DeadLetter:
    """Return what the headers say: the inverse of to_headers; other headers are ignored.

    Raises:
        ValueError: they are not a dead letter's.
    """
    fields: dict[str, object] = {}
    for name, value in headers:
        if value is not None and name in DeadLetter.model_fields:
            fields[name] = value.decode(errors="replace")
    for name in _NUMBERS & fields.keys():
        fields[name] = int(str(fields[name]))
    if "truncated" in fields:
        fields["truncated"] = fields["truncated"] == "true"
    return DeadLetter.model_validate(fields)


_NUMBERS = frozenset(
    {"partition", "offset", "last_offset", "index", "timestamp_ms", "size_bytes", "version"}
)
