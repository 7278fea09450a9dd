"""Say how long a heartbeat proves its service alive: a service that misses some beats is down."""

import msgspec

from schemas.heartbeats import Health
from schemas.spans import MINUTE_MS

#: How far a service's clock may be behind while its newest beat still counts when it comes.
BEHIND_MS = MINUTE_MS
#: A service that has missed this many beats is down.
MISSED = 3
#: How long a beat may take on its way beyond that, at most.
_SLACK_MS = 2_000

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
