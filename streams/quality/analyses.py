"""Read analyses out of records; a record that is refused has the reason."""

from schemas.analyses import Analysis
from streams.measure.window_times import TimeLimits
from streams.record_limits import MAX_RECORD_BYTES, KeyedRecord, RefusedRecord
from streams.record_reader import RecordReader, refuse, refuse_key

_reader = RecordReader(Analysis, "invalid_analysis", MAX_RECORD_BYTES)


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
