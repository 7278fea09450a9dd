"""Read heartbeats out of records; a record that is refused has the reason."""

from schemas.heartbeats import Heartbeat
from streams.measure.window_times import TimeLimits
from streams.record_limits import KeyedRecord, RefusedRecord
from streams.record_reader import RecordReader, refuse, refuse_key
from streams.services.missed_beats import HEALTHS, Beat
from streams.validation import WHOLE_BYTES

_reader = RecordReader(Heartbeat, "invalid_heartbeat", WHOLE_BYTES, scalars=True)


def read_heartbeat(record: KeyedRecord, limits: TimeLimits) -> tuple[str, Beat] | RefusedRecord:
    """Return the service and its beat, or the refusal."""
    heartbeat = _reader.read(record)
    if isinstance(heartbeat, RefusedRecord):
        return heartbeat
    if record.key != heartbeat.service.encode():
        return refuse_key(record, f"the service {heartbeat.service!r}")
    lag_ms = record.timestamp - heartbeat.sent_at
    if lag_ms > limits.lateness_ms:
        return refuse(record, "too_old", f"sent {lag_ms / 1000:.0f} s before it came")
    if -lag_ms > limits.future_ms:
        return refuse(record, "from_future", f"sent {-lag_ms / 1000:.0f} s after it came")
    every_ms = round(heartbeat.every_s * 1000)
    health = HEALTHS.index(heartbeat.status)
    return heartbeat.service, Beat(heartbeat.sent_at, lag_ms, health, every_ms, heartbeat.message)
