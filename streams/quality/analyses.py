"""Read analyses out of records; a record that is refused has the reason."""

from schemas.analyses import Analysis
from schemas.dead_letters import Reason
from streams.long_work import finish
from streams.measure.arrays import is_deeper
from streams.measure.window_times import TimeLimits
from streams.record_limits import MAX_NESTING, MAX_RECORD_BYTES, KeyedRecord, RefusedRecord
from streams.validation import Judge, NotFit

_REASONS: dict[str, Reason] = {
    "json": "invalid_json",
    "model": "invalid_analysis",
    "size": "too_large",
}
_model = Judge(Analysis, Analysis.model_fields, MAX_RECORD_BYTES)


def read_analysis(record: KeyedRecord, limits: TimeLimits) -> Analysis | RefusedRecord:
    """Return the analysis of a record, or the refusal."""
    value = record.value
    if value is None:
        return RefusedRecord(record, None, "null_value", "the record has no value", b"")

    def refused(reason: Reason, detail: str) -> RefusedRecord:
        return RefusedRecord(record, None, reason, detail, value)

    if len(value) > MAX_RECORD_BYTES:
        return refused("too_large", f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
    if is_too_deep(value):
        return refused("invalid_json", f"objects or arrays nest more than {MAX_NESTING} deep")
    try:
        analysis = _model.read(value)
    except NotFit as unfit:
        return refused(_REASONS[unfit.kind], str(unfit))
    if record.key != analysis.input.hash.encode():
        key = "none" if record.key is None else repr(record.key[:128])
        return refused("wrong_key", f"the key is {key}, not the input's hash")
    age_ms = record.timestamp - analysis.occurred_at
    if age_ms > limits.lateness_ms:
        return refused("too_old", f"ended {age_ms} ms before its record's timestamp")
    if -age_ms > limits.future_ms:
        return refused("from_future", f"ends {-age_ms} ms after its record's timestamp")
    return analysis


def is_too_deep(value: bytes) -> bool:
    """Return whether the JSON of a record nests deeper than what is read."""
    if value.count(b"{") + value.count(b"[") <= MAX_NESTING:
        return False
    return finish(is_deeper(value, MAX_NESTING))
