"""Read heartbeats out of records; say of each that is refused why."""

from typing import NamedTuple, Protocol

import msgspec

from schemas.dead_letters import Reason
from schemas.heartbeats import Health, Heartbeat
from streams.judge import WHOLE_BYTES, Judge, NotFit
from streams.measure.decode import MAX_RECORD_BYTES, Refused

#: A service's clock may be behind by so much, and its newest beat is still news when it comes.
BEHIND_MS = 60_000
#: So many beats are missed when a service is down.
MISSED = 3
#: What a beat may take on its way beyond that, at most.
_SLACK_MS = 2_000
_REASONS: dict[str, Reason] = {
    "json": "invalid_json",
    "model": "invalid_heartbeat",
    "size": "too_large",
}

_model = Judge(Heartbeat, Heartbeat.model_fields, WHOLE_BYTES, scalars=True)

HEALTHS: tuple[Health, ...] = ("up", "degraded", "down")


class Keyed(Protocol):
    """A Kafka record with its key."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Beat(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a service said, and when it came; in packed rows by the hundred, hence no names."""

    sent_ms: int
    lag_ms: int
    """How long it took to come by the clocks of both ends: negative where theirs disagree."""
    health: int
    """A place in HEALTHS."""
    every_ms: int
    message: str | None = None

    @property
    def at_ms(self) -> int:
        """From when on it speaks: not after it came, whatever the service's clock says."""
        return self.sent_ms + min(self.lag_ms, 0)

    @property
    def until_ms(self) -> int:
        """Until when it speaks, unless a later one does.

        One that came at once proves its service alive then, also where its clock is behind. One
        that waited for Kafka proves it for when it was sent.
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
        """Sorts beats: the last one that is not after a time speaks for it."""
        return self.at_ms, *self.identity


class Limits(NamedTuple):
    """How old a beat may be when it comes, and how far in the future."""

    lateness_ms: int
    future_ms: int


def patience_ms(every_ms: int) -> int:
    """Return how long after a beat its service is silent."""
    return MISSED * every_ms + min(every_ms // 4, _SLACK_MS)


def read_heartbeat(record: Keyed, limits: Limits) -> tuple[str, Beat] | Refused:
    """Return the service and what it said, or the refusal."""
    value = record.value
    if value is None:
        return Refused(record, None, "null_value", "the record has no value", b"")

    def refused(reason: Reason, detail: str) -> Refused:
        return Refused(record, None, reason, detail, value)

    if len(value) > MAX_RECORD_BYTES:
        return refused("too_large", f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
    try:
        said = _model.read(value)
    except NotFit as unfit:
        return refused(_REASONS[unfit.kind], str(unfit))
    if record.key != said.service.encode():
        key = "none" if record.key is None else repr(record.key[:128])
        return refused("wrong_key", f"the key is {key}, not the service {said.service!r}")
    lag_ms = record.timestamp - said.sent_at
    if lag_ms > limits.lateness_ms:
        return refused("too_old", f"sent {lag_ms / 1000:.0f} s before it came")
    if -lag_ms > limits.future_ms:
        return refused("from_future", f"sent {-lag_ms / 1000:.0f} s after it came")
    every_ms = round(said.every_s * 1000)
    health = HEALTHS.index(said.status)
    return said.service, Beat(said.sent_at, lag_ms, health, every_ms, said.message)
