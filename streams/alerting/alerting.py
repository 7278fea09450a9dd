"""Take breaches, commands, ticks and answers in, and say what to write, publish and send.

A shell drives it; nothing here waits, sends or looks at a clock:

    take(given, now_ms)                    a record, a tick or an answer came
    claim(channel, now_ms) -> Parcel       one message of this channel is to be sent now
    take_changes() -> rows                 write them in this order and await the broker, ...
    unpublished() -> decisions             ... then publish these and await, ...
    published(ids)                         ... then say so, then commit or send.
"""

from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from streams.alerting.given import Channels, Given, Parcel
from streams.alerting.limits import LEASE_MS


class Publication(NamedTuple):
    """A decision to publish on `notifications`; say `published` once the broker has it."""

    key: bytes
    """The alert's fingerprint."""
    id: str
    value: bytes
    """A Notification as JSON."""


class Alerting:
    """All alerts, and everything owed about them."""

    def __init__(
        self, packed: MutableMapping[bytes, bytes], channels: Channels, generation: str
    ) -> None:
        """Begin with what the table holds.

        Args:
            packed: the table's rows; kept in step by take_changes.
            channels: where messages may go.
            generation: names this process and assignment; another's claims are waited out.
        """
        raise NotImplementedError

    def take(self, given: Given, now_ms: int) -> int:
        """Decide upon an input; return how many decisions that made.

        A record whose offset its row has seen changes nothing.
        """
        raise NotImplementedError

    def next_due_ms(self) -> int | None:
        """Return when a Tick has something to decide, None if never as things stand."""
        raise NotImplementedError

    # ------------------------------------------------------------------ delivering

    def next_claim_ms(self, channel: str) -> int | None:
        """Return when `claim` has something for the channel, None if nothing is owed to it."""
        raise NotImplementedError

    def claim(self, channel: str, now_ms: int, lease_ms: int = LEASE_MS) -> Parcel | None:
        """Claim the next message of a channel, None if none is due now.

        Pacing, backoff, an open circuit and others' leases are respected. One claim at a time
        may be open for a channel. The request must not begin before the changes are written,
        and must end before the lease.
        """
        raise NotImplementedError

    # ------------------------------------------------------------------ giving out

    def take_changes(self, *, published: bool = False) -> list[tuple[bytes, bytes | None]]:
        """Return the rows to write, in this order; None to delete.

        Args:
            published: also those that changed only in that their decisions are published.
        """
        raise NotImplementedError

    def unpublished(self) -> Iterator[Publication]:
        """Yield decisions that are not known to be published, oldest first; after a start all."""
        raise NotImplementedError

    def published(self, ids: list[tuple[bytes, str]]) -> None:
        """Note that the broker has decisions (key, id); their rows say so with the next change."""
        raise NotImplementedError

    @property
    def owed(self) -> dict[str, int]:
        """How many deliveries each channel is owed."""
        raise NotImplementedError
