"""Read analyses out of records; a record that is refused has the reason."""

import re
from typing import Any

import msgspec

from schemas.analyses import Analysis
from schemas.fast_structs import struct_of
from schemas.operations import NAME_PATTERN
from streams.measure.window_times import TimeLimits
from streams.record_limits import MAX_RECORD_BYTES, KeyedRecord, RefusedRecord
from streams.record_reader import RecordReader, refuse, refuse_key

_decode = msgspec.json.Decoder(struct_of(Analysis)).decode
_is_name = re.compile(NAME_PATTERN).fullmatch


def _read_fast(value: bytes) -> Any:
    """Return a struct with the fields of an Analysis; None where the model is to decide."""
    try:
        found: Any = _decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    names = found.service, found.operation, found.platform, found.model
    return found if type(found.occurred_at) is int and all(map(_is_name, names)) else None


_reader = RecordReader(Analysis, "invalid_analysis", MAX_RECORD_BYTES, fast=_read_fast)


def read_analysis(record: KeyedRecord, limits: TimeLimits) -> Analysis | RefusedRecord:
    """Return the analysis of a record, or the refusal."""
    analysis = _reader.read(record)
    if isinstance(analysis, RefusedRecord):
        return analysis
    if record.key != analysis.input.hash.encode():
        return refuse_key(record, "the input's hash")
    age_ms = record.timestamp - analysis.occurred_at
    if age_ms > limits.lateness_ms:
        return refuse(record, "too_old", f"ended {age_ms} ms before its record's timestamp")
    if -age_ms > limits.future_ms:
        return refuse(record, "from_future", f"ends {-age_ms} ms after its record's timestamp")
    return analysis


def reread_analysis(value: bytes) -> Analysis:
    """Return an analysis whose record was read before."""
    found: Analysis | None = _read_fast(value)
    return Analysis.model_validate_json(value) if found is None else found
