"""Describe what ingest tells windows on the internal topic `partials`.

JSON; rows are arrays in the order of the fields here, bytes are base64.
"""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field, RootModel

from schemas.base import Wire


class ExemplarRow(NamedTuple):
    """An operation worth looking at: a failed one, else a slow one."""

    failed: bool
    duration_ms: float
    id: str
    error_type: str | None


class Stats(NamedTuple):
    """Sums over a set of operations, and the digest of their durations.

    Whole numbers wherever a sum must not depend on the order of addition.
    """

    count: int  # type: ignore[assignment]  # hides tuple.count
    successes: int
    duration_us: int
    """Sum of durations, in microseconds."""
    duration_sq: float
    """Sum of squared durations, in ms²."""
    min_ms: float
    max_ms: float
    hits: int
    misses: int
    evictions: int
    ttl_count: int
    ttl_ms: int
    """Sum of times to live, in milliseconds."""
    confidence_count: int
    confidence_ppm: int
    """Sum of confidences, in millionths."""
    digest: bytes
    """Packed centroids, see streams/digests.py."""
    exemplars: tuple[ExemplarRow, ...]
    """At most three: the failed ones first, then the slowest."""


class PartialRow(NamedTuple):
    """One (series, minute): all that its block holds of it up to last_offset."""

    series: str
    minute: int
    """Minutes since the epoch."""
    last_offset: int
    """The last source offset folded into this row."""
    stats: Stats


class Partials(Wire):
    """Rows of one source partition's open block that changed, each cumulative over the block."""

    kind: Literal["rows"] = "rows"
    version: Literal[1] = 1
    source: int = Field(description="The source partition of `operations`.")
    block: int = Field(description="The block's first source offset.")
    rows: list[PartialRow]


class Progress(Wire):
    """How far a source partition is read; everything before it stands earlier in this topic."""

    kind: Literal["progress"] = "progress"
    version: Literal[1] = 1
    source: int
    next_offset: int = Field(description="The first source offset not yet told of.")
    watermark_ms: int | None = Field(None, description="The largest event time read.")
    idle_at_ms: int | None = Field(
        None,
        description="Set while the partition is read to its end and quiet for 30 s: when the"
        " broker last said so. What comes after it is late.",
    )
    quiet_ms: int = Field(0, description="How long it had been quiet then.")


class PartialsRecord(RootModel[Annotated[Partials | Progress, Field(discriminator="kind")]]):
    """A record on `partials`."""
