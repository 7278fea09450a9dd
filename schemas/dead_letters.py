"""Describe why a record or an array's element was refused, in the headers of `dead-letters`.

The value is the original bytes; the key is topic/partition/offset/index.
"""

from typing import Literal

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
    timestamp_ms: int
    size_bytes: int
    sha256: str
    truncated: bool = False
    version: Literal[1] = 1
