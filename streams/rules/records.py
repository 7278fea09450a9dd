"""Read of an aggregate what rules need, fast: digest, exemplars and trend stay as they came."""

from typing import Literal

import msgspec

from streams.series import ALL, series_name, service_series


class SeriesFields(msgspec.Struct, gc=False, frozen=True):
    """An operations series, see schemas.series.Series."""

    operation: str
    platform: str | None = None
    confidence: str | None = None


class ServiceFields(msgspec.Struct, gc=False, frozen=True):
    """A service series."""

    service: str


class WindowFields(msgspec.Struct, gc=False):
    """See schemas.series.Window."""

    size: Literal["1m", "5m", "1h", "6h", "24h", "7d"]
    start_ms: int
    end_ms: int


class DurationFields(msgspec.Struct, gc=False):
    """The sum; the percentiles come of the digest."""

    sum: float


class CacheFields(msgspec.Struct, gc=False):
    """See schemas.aggregates.Cache."""

    lookups: int
    hits: int
    misses: int
    evictions: int
    average_ttl_s: float | None = None


class ToldOperations(msgspec.Struct, gc=False, tag_field="kind", tag="operations"):
    """See schemas.aggregates.Aggregate."""

    series: SeriesFields
    window: WindowFields
    revision: int
    final: bool
    count: int
    failures: int
    duration_ms: DurationFields
    cache: CacheFields
    mean_confidence: float | None
    confidence_count: int
    trend: msgspec.Raw = msgspec.Raw(b"null")
    exemplars: msgspec.Raw = msgspec.Raw(b"[]")
    digest: msgspec.Raw = msgspec.Raw(b'{"n":0,"centroids":[]}')


class ToldService(msgspec.Struct, gc=False, tag_field="kind", tag="service"):
    """See schemas.aggregates.ServiceAggregate."""

    series: ServiceFields
    window: WindowFields
    revision: int
    final: bool
    status: Literal["up", "degraded", "down", "unknown"]
    since_ms: int
    silent: bool
    up_ms: int
    degraded_ms: int
    down_ms: int
    last_beat_ms: int | None = None
    message: str | None = None


Told = ToldOperations | ToldService

_decode = msgspec.json.Decoder(Told).decode


def read_aggregate(value: bytes) -> Told | None:
    """Return what a record on `aggregates` says; None if it is a tombstone or no aggregate."""
    if not value:
        return None
    try:
        told: Told = _decode(value)
    except msgspec.MsgspecError:
        return None
    return told


def kind_of(told: Told) -> str:
    """Return the kind of its series."""
    return "operations" if isinstance(told, ToldOperations) else "service"


def name_of(told: Told) -> str:
    """Return the name of its series."""
    if not isinstance(told, ToldOperations):
        return service_series(told.series.service)
    series = told.series
    if series.platform is not None:
        return series_name(series.operation, "platform", series.platform)
    return series_name(series.operation, series.confidence and "confidence", series.confidence)


def labels_of(told: Told) -> dict[str, str]:
    """Return its dimensions: `*` is none."""
    if not isinstance(told, ToldOperations):
        return {"service": told.series.service}
    series = told.series
    labels = {} if series.operation == ALL else {"operation": series.operation}
    if series.platform is not None:
        labels["platform"] = series.platform
    if series.confidence is not None:
        labels["confidence"] = series.confidence
    return labels
