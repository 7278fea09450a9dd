"""Describe a window's published revision, as consumers read it on `aggregates`."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from schemas.base import Wire
from schemas.calibration import CalibrationAggregate
from schemas.quality_scores import ScoreDimension
from schemas.series import Series, Window

Ratio = Annotated[float, Field(ge=0, le=1)]


class Durations(Wire):
    """Durations in milliseconds. Percentiles as numpy's default, "linear": docs/percentiles.md."""

    sum: float
    mean: float
    min: float
    max: float
    std_dev: float
    p50: float
    p90: float
    p95: float
    p99: float


class Cache(Wire):
    """Cache outcomes of the operations that looked something up; rates are null without any."""

    lookups: int
    hits: int
    misses: int
    hit_rate: Ratio | None
    miss_rate: Ratio | None
    evictions: int
    eviction_rate: float | None = Field(description="Evictions a lookup.")
    average_ttl_s: float | None
    ttl_count: int = Field(description="How many lookups had a time to live.")


class TrendEvidence(Wire):
    """What a trend verdict rests on."""

    baseline_rate: Ratio | None = Field(description="Success rate of the window before.")
    baseline_count: int
    rate: Ratio | None
    count: int
    z: float | None = Field(description="Dispersion-corrected two-proportion z.")
    p_value: float | None
    dispersion: float | None = Field(
        description="Of the failures, from one sub-window to the next; 1 is what chance gives."
    )
    agreeing: int = Field(description="How many of the last three evaluations agree.")


class Exemplar(Wire):
    """An operation worth looking at: a failed one, else a slow one."""

    id: str
    success: bool
    duration_ms: float
    error_type: str | None


class NameCount(Wire):
    """How many failures have a name."""

    name: str = Field(description="At most its first 100 characters.")
    count: int


class FailuresByName(Wire):
    """Failures by name. Up to 50 names are counted exactly: each count has all their failures."""

    most_frequent: list[NameCount] = Field(description="At most ten, the most frequent first.")
    other: int = Field(description="Failures of all other names.")
    unnamed: int = Field(description="Failures without a name.")


class Trend(Wire):
    """How the success rate moved against the window before."""

    verdict: Literal["improving", "stable", "degrading", "insufficient_data"]
    evidence: TrendEvidence


class Centroid(Wire):
    """How many operations (c) took this long (m, in ms); close durations may be joined."""

    m: float
    c: float


class Digest(Wire):
    """Durations, in the form of the `tdigest` package's to_dict/update_from_dict.

    At most 500 centroids, ascending, each with another `m`. Read it as n durations, without
    interpolation inside a centroid: docs/percentiles.md has the lines.
    """

    n: int
    centroids: list[Centroid]


PackedDigest = Annotated[
    str,
    Field(
        description="The same packed, in base64, where the aggregate is not final:"
        " docs/percentiles.md has its layout."
    ),
]


class Aggregate(Wire):
    """A window's revision: of two with the same key the one with the larger revision stands."""

    version: Literal[1] = 1
    kind: Literal["operations"] = "operations"
    series: Series
    window: Window
    revision: int = Field(description="How many operations are folded in; it only grows.")
    final: bool = Field(description="No more is expected. Late data makes a new final revision.")
    count: int
    successes: int
    failures: int
    missing: int = Field(
        0,
        ge=0,
        description="How many records, at most, that may have belonged here Kafka removed before"
        " they were counted: of all series, in the time between the records around them.",
    )
    success_rate: Ratio
    error_rate: Ratio
    duration_ms: Durations
    cache: Cache
    mean_confidence: Ratio | None
    confidence_count: int
    trend: Trend | None = Field(description="Windows of one hour and more.")
    exemplars: list[Exemplar]
    failures_by_type: FailuresByName | None = Field(
        None, description="Failures by their error_type."
    )
    digest: Digest | PackedDigest


class QualitySeries(Wire):
    """What an aggregate of scores is about. At most one of platform and model is set."""

    dimension: ScoreDimension
    operation: str = Field(description="The operation, or * for all of them.")
    platform: str | None = None
    model: str | None = None


class QualityExemplar(Wire):
    """An analysis worth looking at: of the worst scores in the window."""

    id: str = Field(description="Of the analysis.")
    score: Ratio
    finding: str | None = Field(description="The code of its worst finding.")


class QualityTrend(Trend):
    """How the share of good results moved; never across a change of configuration."""

    changed_configuration: bool = Field(
        description="Weights, thresholds or assessors differ from those of the window before, or"
        " changed in this one: the verdict is then insufficient_data."
    )


class QualityDigest(Digest):
    """What was lost, 1000 × (1 − score), in the place of a duration: close ones may be joined."""


class QualityAggregate(Wire):
    """A window's revision of the scores of one dimension; see Aggregate."""

    version: Literal[1] = 1
    kind: Literal["quality"] = "quality"
    series: QualitySeries
    window: Window
    revision: int = Field(description="How many scores are folded in; it only grows.")
    final: bool = Field(description="No more is expected. Late data makes a new final revision.")
    missing: int = Field(
        0, ge=0, description="How many analyses, at most, Kafka removed before they were scored."
    )
    count: int
    mean: Ratio
    min: Ratio
    max: Ratio
    std_dev: float
    p5: Ratio = Field(description="A twentieth of the results have this score or a lower one.")
    p50: Ratio
    good: int = Field(description="How many scores are good: 0.85 or more, unless configured.")
    acceptable: int = Field(description="How many are acceptable: 0.7 or more; the good ones too.")
    below_good: Ratio
    below_acceptable: Ratio
    trend: QualityTrend | None = Field(description="Windows of one hour and more.")
    exemplars: list[QualityExemplar] = Field(description="At most three, the worst first.")
    findings: FailuresByName = Field(
        description="Results that are not good, by the code of their worst finding."
    )
    actions: list[NameCount] = Field(
        description="The same results by what is recommended first, the most frequent first."
    )
    configurations: list[str] = Field(
        description="Hashes of the configurations that the scores were made by, the first five."
    )
    digest: QualityDigest | PackedDigest


class ServiceSeries(Wire):
    """What a service aggregate is about."""

    service: str


class ServiceAggregate(Wire):
    """How long a service was up in a window, as its heartbeats say; times in milliseconds.

    Published at once when the status changes, and every few seconds otherwise. What no heartbeat
    speaks for is unknown: before the first one, and while nobody listened. The four times add up to
    what has passed of the window; of a final one that is its length.
    """

    version: Literal[1] = 1
    kind: Literal["service"] = "service"
    series: ServiceSeries
    window: Window
    revision: int = Field(description="Of two with the same key the larger stands; it only grows.")
    final: bool = Field(description="No more is expected. Late beats make a new final revision.")
    status: Literal["up", "degraded", "down", "unknown"] = Field(
        description="At the end of the window, or now."
    )
    since_ms: int = Field(description="Since when it has this status.")
    silent: bool = Field(description="Down because three beats were missed, no beat reported it.")
    last_beat_ms: int | None
    every_s: float
    message: str | None
    up_ms: int
    degraded_ms: int
    down_ms: int
    unknown_ms: int
    uptime: Ratio | None = Field(
        description="(up + degraded) / (up + degraded + down); null while all is unknown."
    )
    forgotten: bool = Field(
        False, description="It was silent for a week, and is no more: the last of the service."
    )


class AggregateRecord(
    RootModel[
        Annotated[
            Aggregate | QualityAggregate | ServiceAggregate | CalibrationAggregate,
            Field(discriminator="kind"),
        ]
    ]
):
    """A record on `aggregates`."""
