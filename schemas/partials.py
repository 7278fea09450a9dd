"""Describe what ingest sends to windows on the internal topic `partials`.

JSON; rows are arrays in the order of the fields here, bytes are base64.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec
from pydantic import Field, RootModel

from schemas.base import Wire
from schemas.fields import Sums, Tallies, Whole
from schemas.operations import MAX_EPOCH_MS
from schemas.spans import MINUTE_MS

# Anybody who may write to the topic can: what a sum, a row or a time could not hold is no partial.
_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
_Minute = Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH_MS // MINUTE_MS)]
#: Series have two names of 128 characters at most.
_Series = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
#: A thousand centroids take twelve kilobytes.
_Digest = Annotated[bytes, msgspec.Meta(max_length=64 * 1024)]

#: A window names this many configurations; two are enough to know that it changed.
MOST_CONFIGURATIONS = 5
_Configurations = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=100)], ...],
    msgspec.Meta(max_length=MOST_CONFIGURATIONS),
]

#: What JSON's readers agree on.
_MOST = 2**53
#: As a record of progress can name, a bit each.
SOURCES_BYTES = 8_192
LAST_SOURCE = SOURCES_BYTES * 8 - 1


class ExemplarRow(NamedTuple):
    """An operation worth looking at: a failed one, else a slow one."""

    failed: bool
    duration_ms: float
    id: str
    error_type: str | None


class Stats(NamedTuple):
    """Sums over a set of operations, and the digest of their durations."""

    sums: Sums
    duration_sq: _Amount
    """Sum of squared durations, in ms²."""
    min_ms: _Amount
    max_ms: _Amount
    digest: _Digest
    """Packed centroids, see streams/measure/digests.py."""
    exemplars: tuple[ExemplarRow, ...]
    """At most three: the failed ones first, then the slowest."""
    tallies: Tallies = Tallies()
    configurations: _Configurations = ()
    """Of scores: the hashes of the configurations that they were made by, in order; the first few.
    """


class PartialRow(NamedTuple):
    """One (series, minute): all that its block holds of it up to last_offset."""

    series: _Series
    minute: _Minute
    """Minutes since the epoch."""
    last_offset: Whole
    """The last source offset folded into this row."""
    stats: Stats


class Partials(Wire):
    """Rows of one source partition's open block that changed, each cumulative over the block."""

    kind: Literal["rows"] = "rows"
    version: Literal[1] = 1
    source: int = Field(ge=0, le=LAST_SOURCE, description="The source partition of `operations`.")
    block: int = Field(ge=0, le=_MOST, description="The block's first source offset.")
    rows: list[PartialRow]
    next_offset: int = Field(
        0,
        ge=0,
        le=_MOST,
        description="All rows for this target partition whose last offset is before this stand"
        " here or earlier: when they come again they are known.",
    )


class Progress(Wire):
    """How far a worker has read its source partitions: their rows stand before this record.

    One record a worker and target partition, of a size that the number of sources hardly changes.
    """

    kind: Literal["progress"] = "progress"
    version: Literal[1] = 1
    sources: bytes = Field(
        max_length=SOURCES_BYTES,
        description="Which sources, a bit each: source i is bit i % 8 of byte i // 8. Only those"
        " with a known time.",
    )
    at_ms: int = Field(
        description="The event time that each of them has reached, at least; of one that is read to"
        " its end and quiet for 30 s when that was seen. What comes with an earlier one is late."
    )
    newest_ms: int | None = Field(
        None,
        description="The largest event time read of any, and how long it has been quiet since.",
    )
    quiet_ms: int = Field(
        0, description="How long those were quiet of which nothing has been read since the start."
    )


class Missing(Wire):
    """Records of a source partition that Kafka removed before they were read."""

    kind: Literal["missing"] = "missing"
    version: Literal[1] = 1
    source: int = Field(ge=0, le=LAST_SOURCE)
    first_offset: int = Field(ge=0, le=_MOST)
    count: int = Field(ge=0, le=_MOST, description="How many, at most.")
    since_ms: int = Field(
        ge=-_MOST, le=_MOST, description="The timestamp of the last record before them."
    )
    until_ms: int = Field(
        ge=-_MOST, le=_MOST, description="The timestamp of the first record after them."
    )


class PartialsRecord(
    RootModel[Annotated[Partials | Progress | Missing, Field(discriminator="kind")]]
):
    """A record on `partials`."""
