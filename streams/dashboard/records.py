"""Read of an aggregate what people are shown.

Anybody can write to `aggregates`: what is out of bounds is refused as a whole.
"""

from typing import Annotated, Any, Literal

import msgspec

from schemas.fields import NAME_LENGTH, PUBLISHED_NAMES
from schemas.partials import MOST_CONFIGURATIONS
from streams.measure.series import published_name, service_series
from streams.rules.aggregate_reader import (
    MAX_AGGREGATE_BYTES,
    Amount,
    Count,
    Ratio,
    ScoreSeriesFields,
    SeriesFields,
    ServiceRecord,
    WindowFields,
)

_Name = Annotated[str, msgspec.Meta(max_length=NAME_LENGTH)]
#: Names of services and messages have fewer characters.
_Text = Annotated[str, msgspec.Meta(max_length=1_000)]
Verdict = Literal["improving", "stable", "degrading", "insufficient_data"]


_Hash = Annotated[str, msgspec.Meta(max_length=100)]


class NamedCount(msgspec.Struct, gc=False, frozen=True):
    """How often something with a name came."""

    name: _Name
    count: Count


class CountsByName(msgspec.Struct, gc=False, frozen=True):
    """See schemas.aggregates.FailuresByName."""

    most_frequent: Annotated[list[NamedCount], msgspec.Meta(max_length=PUBLISHED_NAMES)] = []
    other: Count = 0
    unnamed: Count = 0


class DurationFields(msgspec.Struct, gc=False, frozen=True):
    """See schemas.aggregates.Durations."""

    sum: Amount
    max: Amount
    p50: Amount
    p95: Amount
    p99: Amount


class CacheFields(msgspec.Struct, gc=False, frozen=True):
    """See schemas.aggregates.Cache."""

    lookups: Count
    hits: Count


class VerdictFields(msgspec.Struct, gc=False, frozen=True):
    """See schemas.aggregates.Trend."""

    verdict: Verdict


class _ShownWindow(msgspec.Struct, gc=False, kw_only=True, tag_field="kind"):
    window: WindowFields
    revision: Count
    final: bool


class ShownOperations(_ShownWindow, gc=False, kw_only=True, tag="operations"):
    """See schemas.aggregates.Aggregate."""

    series: SeriesFields
    count: Count
    failures: Count
    duration_ms: DurationFields
    cache: CacheFields
    trend: VerdictFields | None = None
    failures_by_type: CountsByName | None = None
    exemplars: msgspec.Raw = msgspec.Raw(b"[]")
    digest: msgspec.Raw = msgspec.Raw(b'{"n":0,"centroids":[]}')


class ShownQuality(_ShownWindow, gc=False, kw_only=True, tag="quality"):
    """See schemas.aggregates.QualityAggregate."""

    series: ScoreSeriesFields
    count: Count
    mean: Ratio
    p5: Ratio
    good: Count
    acceptable: Count
    trend: VerdictFields | None = None
    findings: CountsByName | None = None
    configurations: Annotated[list[_Hash], msgspec.Meta(max_length=MOST_CONFIGURATIONS)] = []
    exemplars: msgspec.Raw = msgspec.Raw(b"[]")


class ShownService(ServiceRecord, gc=False, kw_only=True, tag="service"):
    """See schemas.aggregates.ServiceAggregate."""

    unknown_ms: Count
    message: _Text | None = None


Shown = ShownOperations | ShownQuality | ShownService
_decode = msgspec.json.Decoder(ShownOperations | ShownQuality | ShownService).decode


def read_shown(value: bytes | None) -> Shown | None:
    """Return what a record on `aggregates` says; None if it is empty, or nothing to be shown."""
    if not value or len(value) > MAX_AGGREGATE_BYTES:
        return None
    try:
        record: Any = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    shown: Shown = record
    if isinstance(shown, ShownOperations) and shown.failures > shown.count:
        return None
    if isinstance(shown, ShownOperations) and shown.cache.hits > shown.cache.lookups:
        return None
    return shown


def name_of(record: Shown) -> str:
    """Return the name of its series."""
    if isinstance(record, ShownService):
        return service_series(record.series.service)
    series = record.series
    if isinstance(series, ScoreSeriesFields):
        name = published_name(series.operation, series.platform, "model", series.model)
        return f"{series.dimension}:{name}"
    return published_name(series.operation, series.platform, "confidence", series.confidence)
