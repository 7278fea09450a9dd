"""Declare each summed field of a window once: this table is all that a new one takes.

`Sums` says how a field is read from an operation and where an aggregate has it; `Tallies` says the
same of failures that are counted by name; `RATIOS` which figures aggregates make of two fields;
`METRICS` which of them rules may judge. Blocks, partials, the rows of windows, aggregates and the
metrics of rules all follow from it.
"""

from typing import Annotated, Any, NamedTuple, get_type_hints

import msgspec

from schemas.quality_scores import ScoreDimension

MAX_SUM = (1 << 63) - 1
"""Sums stop here, where the table's integers end: a producer's wrong unit must not end counting."""
Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_SUM)]


class Summed(NamedTuple):
    """How a field is read from an operation, and where an aggregate has it."""

    attribute: str | None
    """Of the operation; null adds nothing. None: each operation adds 1."""
    published: str
    """A dot leads into an object."""
    times: int = 1
    """A fraction is multiplied by this and rounded, so that no order of addition shows."""
    equals: str | None = None
    """Add 1 where the attribute is this."""
    present: bool = False
    """Add 1 where the attribute is not null."""
    mean_of: str | None = None
    """What is published is the mean over this field."""


class Sums(NamedTuple):
    """What is added up over a set of operations, in whole numbers."""

    count: Annotated[Whole, Summed(None, "count")] = 0  # type: ignore[assignment]  # tuple.count
    successes: Annotated[Whole, Summed("success", "successes")] = 0
    duration_us: Annotated[Whole, Summed("duration_ms", "duration_ms.sum", 1000)] = 0
    hits: Annotated[Whole, Summed("cache", "cache.hits", equals="hit")] = 0
    misses: Annotated[Whole, Summed("cache", "cache.misses", equals="miss")] = 0
    evictions: Annotated[Whole, Summed("cache_evictions", "cache.evictions")] = 0
    ttl_count: Annotated[Whole, Summed("cache_ttl_s", "cache.ttl_count", present=True)] = 0
    ttl_ms: Annotated[
        Whole, Summed("cache_ttl_s", "cache.average_ttl_s", 1000, mean_of="ttl_count")
    ] = 0
    confidence_count: Annotated[Whole, Summed("confidence", "confidence_count", present=True)] = 0
    confidence_ppm: Annotated[
        Whole, Summed("confidence", "mean_confidence", 1_000_000, mean_of="confidence_count")
    ] = 0

    @property
    def failures(self) -> int:
        """Operations without success."""
        return self.count - self.successes

    @property
    def lookups(self) -> int:
        """Operations that looked something up in a cache."""
        return self.hits + self.misses


def _table_of(fields: type, entry: type) -> dict[str, Any]:
    return {
        name: next(item for item in hint.__metadata__ if isinstance(item, entry))
        for name, hint in get_type_hints(fields, include_extras=True).items()
    }


SUMMED: dict[str, Summed] = _table_of(Sums, Summed)
#: Aggregates have these too, made of the sums.
DERIVED = {"failures": "failures", "cache.lookups": "lookups"}


#: A tally counts this many names on their own, …
MOST_NAMES = 50
#: … each by its first characters, …
NAME_LENGTH = 100
#: … and an aggregate has the most frequent.
PUBLISHED_NAMES = 10


class Tally(NamedTuple):
    """Failures by name: those of each admitted name exactly, the others together.

    A name is not admitted if a part of its failures may be in `other`. So a name that is here has
    all its failures here.
    """

    names: Annotated[
        dict[Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)], Whole],
        msgspec.Meta(max_length=MOST_NAMES),
    ]
    other: Whole = 0


class Tallied(NamedTuple):
    """How a tally is read from failed operations, and where an aggregate has it."""

    attribute: str
    """Of the operation; null or empty counts nowhere."""
    published: str


class Tallies(NamedTuple):
    """What is counted by name over a set of operations."""

    failures_by_type: Annotated[Tally, Tallied("error_type", "failures_by_type")] = Tally({})


TALLIED: dict[str, Tallied] = _table_of(Tallies, Tallied)


class Ratio(NamedTuple):
    """A figure that aggregates have: one field by another; null where that is 0."""

    above: str
    below: str
    times: int = 1
    """The field above is in such parts of the figure's unit."""

    def of(self, sums: Sums, scale: int = 1) -> float | None:
        """Return the figure, this many times as large."""
        below = getattr(sums, self.below)
        return scale * getattr(sums, self.above) / below / self.times if below else None


RATIOS: dict[str, Ratio] = {
    "success_rate": Ratio("successes", "count"),
    "error_rate": Ratio("failures", "count"),
    "duration_ms.mean": Ratio("duration_us", "count", SUMMED["duration_us"].times),
    "cache.hit_rate": Ratio("hits", "lookups"),
    "cache.miss_rate": Ratio("misses", "lookups"),
    "cache.eviction_rate": Ratio("evictions", "lookups"),
} | {
    summed.published: Ratio(name, summed.mean_of, summed.times)
    for name, summed in SUMMED.items()
    if summed.mean_of is not None
}


class Metric(NamedTuple):
    """A figure that rules may judge, in the unit that people read."""

    figure: str
    """Its key in RATIOS."""
    unit: str
    words: str
    samples: str = "operations"
    """What is counted below the ratio."""
    is_good_near_100: bool = False
    is_share: bool = True
    """Whether one in per cent never is beyond 100."""


METRICS: dict[str, Metric] = {
    "success_rate": Metric("success_rate", "%", "success rate", is_good_near_100=True),
    "error_rate": Metric("error_rate", "%", "error rate"),
    "duration_mean": Metric("duration_ms.mean", "ms", "mean duration"),
    "cache_hit_rate": Metric(
        "cache.hit_rate", "%", "cache hit rate", "lookups", is_good_near_100=True
    ),
    "cache_miss_rate": Metric("cache.miss_rate", "%", "cache miss rate", "lookups"),
    "cache_eviction_rate": Metric(
        "cache.eviction_rate", "%", "cache eviction rate", "lookups", is_share=False
    ),
    "cache_ttl": Metric("cache.average_ttl_s", "s", "TTL", "lookups"),
    "confidence": Metric("mean_confidence", "%", "mean confidence", is_good_near_100=True),
}

#: The metrics of quality, and whose scores they are made of.
QUALITY_DIMENSIONS: dict[str, ScoreDimension] = {
    "quality_overall": "overall",
    "quality_accuracy": "accuracy",
    "quality_performance": "performance",
    "quality_reliability": "reliability",
    "quality_consistency": "consistency",
    "quality_bad_share": "overall",
}
