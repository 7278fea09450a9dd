"""Make of a record on `aggregates` the entries that history keeps of it."""

from typing import Any

import msgspec

from schemas.aggregates import Aggregate, QualityAggregate, ServiceAggregate
from schemas.calibration import CalibrationAggregate
from schemas.fast_structs import struct_of
from streams.history.fitting import entry
from streams.history.metrics import metrics_of_operations, metrics_of_scores, metrics_of_service
from streams.history.tables import CALIBRATIONS, QUALITY_WINDOWS, SERVICES, WINDOWS, Entry
from streams.measure.digest_wire import packed_digest
from streams.measure.series import published_name
from streams.measure.window_times import SIZE_MS
from streams.quality.score_series import score_series_name

_Operations = struct_of(Aggregate, ("trend", "exemplars", "failures_by_type", "digest"))
_Scores = struct_of(QualityAggregate, ("trend", "exemplars", "findings", "actions", "digest"))
_Service = struct_of(ServiceAggregate)
_Calibration = struct_of(CalibrationAggregate, ("confidence", "overall"))
_decode = msgspec.json.Decoder(_Operations | _Scores | _Service | _Calibration).decode

_NULL = b"null"


class Unreadable(ValueError):
    """The record is none that history knows; the text says why."""


def entries_of_aggregate(value: bytes) -> list[Entry]:
    """Return the entries of a record on `aggregates`.

    Raises:
        Unreadable: it is none.
    """
    try:
        return _entries(_decode(value))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise Unreadable(str(error)) from None


def _entries(record: Any) -> list[Entry]:
    window = record.window
    if window.end_ms - window.start_ms != SIZE_MS[window.size]:
        message = f"a window of {window.size} from {window.start_ms} to {window.end_ms}"
        raise Unreadable(message)
    if isinstance(record, _Operations):
        return [_of_operations(record), *metrics_of_operations(record)]
    if isinstance(record, _Scores):
        return [_of_scores(record), *metrics_of_scores(record)]
    if isinstance(record, _Service):
        return [_of_service(record), *metrics_of_service(record)]
    return [_of_calibration(record)]


def _of_operations(record: Any) -> Entry:
    series, window, took, cache = record.series, record.window, record.duration_ms, record.cache
    return entry(
        WINDOWS,
        published_name(series.operation, series.platform, "confidence", series.confidence),
        window.size,
        window.start_ms,
        window.end_ms,
        series.operation,
        series.platform,
        series.confidence,
        record.revision,
        record.final,
        record.missing,
        record.count,
        record.successes,
        record.failures,
        record.success_rate,
        took.sum,
        took.mean,
        took.min,
        took.max,
        took.std_dev,
        took.p50,
        took.p90,
        took.p95,
        took.p99,
        cache.lookups,
        cache.hits,
        cache.misses,
        cache.evictions,
        cache.average_ttl_s,
        cache.ttl_count,
        record.mean_confidence,
        record.confidence_count,
        _json(record.failures_by_type),
        _json(record.trend),
        _list(record.exemplars),
        packed_digest(bytes(record.digest)),
    )


def _of_scores(record: Any) -> Entry:
    series, window = record.series, record.window
    name = published_name(series.operation, series.platform, "model", series.model)
    return entry(
        QUALITY_WINDOWS,
        score_series_name(series.dimension, name),
        window.size,
        window.start_ms,
        window.end_ms,
        series.dimension,
        series.operation,
        series.platform,
        series.model,
        record.revision,
        record.final,
        record.missing,
        record.count,
        record.mean,
        record.min,
        record.max,
        record.std_dev,
        record.p5,
        record.p50,
        record.good,
        record.acceptable,
        _json(record.trend),
        _list(record.exemplars),
        _json(record.findings),
        _list(record.actions),
        record.configurations,
        packed_digest(bytes(record.digest)),
    )


def _of_service(record: Any) -> Entry:
    window = record.window
    return entry(
        SERVICES,
        record.series.service,
        window.size,
        window.start_ms,
        window.end_ms,
        record.revision,
        record.final,
        record.status,
        record.since_ms,
        record.silent,
        record.last_beat_ms,
        record.every_s,
        record.message,
        record.up_ms,
        record.degraded_ms,
        record.down_ms,
        record.unknown_ms,
        record.uptime,
        record.forgotten,
    )


def _of_calibration(record: Any) -> Entry:
    series, window = record.series, record.window
    return entry(
        CALIBRATIONS,
        series.service,
        series.operation,
        series.model,
        window.size,
        window.start_ms,
        window.end_ms,
        record.revision,
        record.final,
        record.count,
        record.right,
        record.accuracy,
        bytes(record.confidence),
        bytes(record.overall),
    )


def _json(raw: Any) -> bytes | None:
    return None if bytes(raw) == _NULL else bytes(raw)


def _list(raw: Any) -> bytes:
    return _json(raw) or b"[]"
