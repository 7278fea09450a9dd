"""Read of an aggregate what rules need, fast: digest, exemplars and failures stay as they came.

Anybody can write to `aggregates`. What is read here can be summed up and kept in a row; what could
not is refused as a whole.
"""

from typing import Annotated, Any, Literal

import msgspec

from schemas.fields import MAX_SUM, SUMMED, Summed
from schemas.quality_scores import ScoreDimension
from schemas.spans import DAY_MS
from streams.measure.series import ALL, published_name, service_series

#: Minute 0 is none to a fold.
_FIRST_MS = DAY_MS
#: 9999-12-31: what a person can be shown.
_LAST_MS = 253_402_300_799_999
#: What is measured may be at most a day ahead (OPWATCH_FUTURE_S).
_AHEAD_MS = 2 * DAY_MS
#: What sums that stop at MAX_SUM microseconds, or milliseconds, come to in people's units.
_MOST = 1e16
#: Windows are a tenth of it: a digest has 500 centroids at most. What is larger is none of ours.
MAX_AGGREGATE_BYTES = 256 * 1024

#: A label of series of scores that rules do not name: their metric does.
DIMENSION = "dimension"

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SUM)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Hash = Annotated[str, msgspec.Meta(max_length=100)]
TimeMs = Annotated[int, msgspec.Meta(ge=_FIRST_MS, le=_LAST_MS)]


class SeriesFields(msgspec.Struct, gc=False, frozen=True):
    """An operations series, see schemas.series.Series."""

    operation: str
    platform: str | None = None
    confidence: str | None = None


class ServiceFields(msgspec.Struct, gc=False, frozen=True):
    """A service series."""

    service: str


class ScoreSeriesFields(msgspec.Struct, gc=False, frozen=True):
    """A series of scores, see schemas.aggregates.QualitySeries."""

    dimension: ScoreDimension
    operation: str
    platform: str | None = None
    model: str | None = None


class WindowFields(msgspec.Struct, gc=False):
    """See schemas.series.Window."""

    size: Literal["1m", "5m", "1h", "6h", "24h", "7d"]
    start_ms: TimeMs
    end_ms: TimeMs


class EvidenceFields(msgspec.Struct, gc=False):
    """See schemas.aggregates.TrendEvidence; all are floats, as they are in the row."""

    baseline_rate: Ratio | None = None
    baseline_count: Amount = 0.0
    rate: Ratio | None = None
    count: Amount = 0.0
    z: float | None = None
    p_value: Ratio | None = None
    dispersion: Amount | None = None
    agreeing: Amount = 0.0


class TrendFields(msgspec.Struct, gc=False):
    """See schemas.aggregates.Trend."""

    verdict: Literal["improving", "stable", "degrading", "insufficient_data"]
    evidence: EvidenceFields


class OperationsRecord(msgspec.Struct, gc=False, tag_field="kind", tag="operations"):
    """See schemas.aggregates.Aggregate; what is summed up stands in the fields of SummedRecord."""

    series: SeriesFields
    window: WindowFields
    revision: Count
    final: bool
    trend: TrendFields | None = None
    exemplars: msgspec.Raw = msgspec.Raw(b"[]")
    failures_by_type: msgspec.Raw = msgspec.Raw(b"null")
    digest: msgspec.Raw = msgspec.Raw(b'{"n":0,"centroids":[]}')


def _struct(name: str, summed: dict[str, Summed], **options: Any) -> Any:
    """Return a struct of the paths that sums are published under."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    inner: dict[str, dict[str, Summed]] = {}
    for path, field in summed.items():
        group, _, rest = path.partition(".")
        if rest:
            inner.setdefault(group, {})[rest] = field
        elif field.mean_of is None:
            fields.append((path, Count if field.times == 1 else Amount))
        else:
            fields.append((path, Amount | None, None))
    fields += [(group, _struct(group, paths)) for group, paths in inner.items()]
    return msgspec.defstruct(name, fields, kw_only=True, gc=False, **options)


SummedRecord = _struct(
    "SummedRecord",
    {summed.published: summed for summed in SUMMED.values()},
    bases=(OperationsRecord,),
    tag_field="kind",
    tag="operations",
)
"""An OperationsRecord with what is summed up: see schemas/fields.py."""


class ServiceRecord(msgspec.Struct, gc=False, tag_field="kind", tag="service"):
    """See schemas.aggregates.ServiceAggregate."""

    series: ServiceFields
    window: WindowFields
    revision: Count
    final: bool
    status: Literal["up", "degraded", "down", "unknown"]
    since_ms: int
    silent: bool
    up_ms: Count
    degraded_ms: Count
    down_ms: Count
    last_beat_ms: int | None = None
    message: str | None = None
    forgotten: bool = False


class ScoreTrendFields(TrendFields, gc=False):
    """See schemas.aggregates.QualityTrend."""

    changed_configuration: bool = False


class QualityRecord(msgspec.Struct, gc=False, tag_field="kind", tag="quality"):
    """See schemas.aggregates.QualityAggregate."""

    series: ScoreSeriesFields
    window: WindowFields
    revision: Count
    final: bool
    count: Count
    mean: Ratio
    good: Count
    acceptable: Count
    trend: ScoreTrendFields | None = None
    configurations: list[_Hash] = []
    exemplars: msgspec.Raw = msgspec.Raw(b"[]")
    findings: msgspec.Raw = msgspec.Raw(b"null")
    actions: msgspec.Raw = msgspec.Raw(b"[]")


AggregateRecord = OperationsRecord | ServiceRecord | QualityRecord

_decode = msgspec.json.Decoder(SummedRecord | ServiceRecord | QualityRecord).decode


def read_aggregate(value: bytes, timestamp_ms: int | None = None) -> AggregateRecord | None:
    """Return what a record on `aggregates` says; None if it is empty, or nothing rules can use.

    Args:
        value: the record's.
        timestamp_ms: the record's: a window that begins days after it would end all before it.
    """
    if not value or len(value) > MAX_AGGREGATE_BYTES:
        return None
    try:
        record: AggregateRecord = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if timestamp_ms is not None and record.window.start_ms > timestamp_ms + _AHEAD_MS:
        return None
    return record


def is_for_others(value: bytes) -> bool:
    """Return whether a record is of a kind that no rule is about."""
    return value.startswith(b'{"version":1,"kind":"calibration"')


def kind_of(record: AggregateRecord) -> str:
    """Return the kind of its series."""
    if isinstance(record, QualityRecord):
        return "quality"
    return "operations" if isinstance(record, OperationsRecord) else "service"


def name_of(record: AggregateRecord) -> str:
    """Return the name of its series."""
    if isinstance(record, QualityRecord):
        scores = record.series
        name = published_name(scores.operation, scores.platform, "model", scores.model)
        return f"{scores.dimension}:{name}"
    if not isinstance(record, OperationsRecord):
        return service_series(record.series.service)
    series = record.series
    return published_name(series.operation, series.platform, "confidence", series.confidence)


def labels_of(record: AggregateRecord) -> dict[str, str]:
    """Return its dimensions: `*` is none."""
    if isinstance(record, ServiceRecord):
        return {"service": record.series.service}
    series = record.series
    labels = {} if series.operation == ALL else {"operation": series.operation}
    if isinstance(series, ScoreSeriesFields):
        labels[DIMENSION] = series.dimension
        if series.model is not None:
            labels["model"] = series.model
    elif series.confidence is not None:
        labels["confidence"] = series.confidence
    if series.platform is not None:
        labels["platform"] = series.platform
    return labels
