"""Describe what passes heartbeats on, on the internal topic `beats`, to their service's partition.

JSON; bytes are base64.
"""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from schemas.base import Int64, Wire
from schemas.partials import LAST_SOURCE, SOURCES_BYTES

#: What JSON's readers agree on.
_MOST = 2**53


class PassedBeat(Wire):
    """A record on `heartbeats`, as it came: it is read where its service is kept."""

    kind: Literal["beat"] = "beat"
    version: Literal[1] = 1
    source: int = Field(ge=0, le=LAST_SOURCE, description="Its partition of `heartbeats`.")
    offset: int = Field(ge=0, le=_MOST, description="Its offset there.")
    timestamp_ms: Int64 = Field(description="Its timestamp.")
    key: bytes | None
    value: bytes | None


class HeartbeatsRead(Wire):
    """Partitions of `heartbeats` that are read to their end: their beats stand before this."""

    kind: Literal["read"] = "read"
    version: Literal[1] = 1
    sources: bytes = Field(
        max_length=SOURCES_BYTES,
        description="Which, a bit each: source i is bit i % 8 of byte i // 8.",
    )
    seen_ms: Int64 = Field(description="When their ends were seen, at least.")


class BeatsRecord(RootModel[Annotated[PassedBeat | HeartbeatsRead, Field(discriminator="kind")]]):
    """A record on `beats`."""
