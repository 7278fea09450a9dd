"""Read heartbeats out of records; a record that is refused has the reason."""

import msgspec

from schemas.heartbeats import Health, Heartbeat
from schemas.spans import MINUTE_MS
from streams.measure.window_times import TimeLimits
from streams.record_limits import KeyedRecord, RefusedRecord
from streams.record_reader import RecordReader, refuse, refuse_key
from streams.validation import WHOLE_BYTES

#: How far a service's clock may be behind while its newest beat still counts when it comes.
BEHIND_MS = MINUTE_MS
#: A service that has missed this many beats is down.
MISSED = 3
#: How long a beat may take on its way beyond that, at most.
_SLACK_MS = 2_000
_reader = RecordReader(Heartbeat, "invalid_heartbeat", WHOLE_BYTES, scalars=True)

HEALTHS: tuple[Health, ...] = ("up", "degraded", "down")


class Beat(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A heartbeat and when it came; an array, because a row holds hundreds of them."""

    sent_ms: int
    lag_ms: int
    """How long it took to come by the clocks of both ends: negative where theirs disagree."""
    health: int
    """A place in HEALTHS."""
    every_ms: int
    message: str | None = None

    @property
    def at_ms(self) -> int:
        """From when on it counts: not after it came, whatever the service's clock was."""
        return self.sent_ms + min(self.lag_ms, 0)

    @property
    def until_ms(self) -> int:
        """Until when it counts, unless a later one does.

        A beat that came at once proves its service alive at that time, also if the service's clock
        is behind. A beat that waited for Kafka proves it for the time it was sent.
        """
        return (
            self.at_ms
            + patience_ms(self.every_ms)
            + (self.lag_ms if 0 < self.lag_ms <= BEHIND_MS else 0)
        )

    @property
    def identity(self) -> tuple[int, int, int]:
        """What a repeat shares with it."""
        return self.sent_ms, self.health, self.every_ms

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Sorts beats: the last one that is not after a time counts for it."""
        return self.at_ms, *self.identity


def patience_ms(every_ms: int) -> int:
    """Return how long after a beat its service is silent."""
    return MISSED * every_ms + min(every_ms // 4, _SLACK_MS)


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
