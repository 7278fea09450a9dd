"""Take breaches, commands, ticks and answers in, and say what to write, publish and send.

A shell drives it; nothing here waits, sends or looks at a clock:

    take(given, now_ms)                    a record, a tick or an answer came
    next_attempt(channel, now_ms) -> Attempt       one message of this channel is to be sent now
    take_changes() -> rows                 write them in this order and await the broker, ...
    unpublished() -> decisions             ... then publish these and await, ...
    published(ids)                         ... then say so, then commit or send.
"""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import NamedTuple

from schemas.breaches import Breach
from schemas.notifications import Cause
from streams.alerting.commands import take_command
from streams.alerting.delivery import claim, given_up_unasked, is_claimed, take_answer
from streams.alerting.freeing import free
from streams.alerting.inputs import (
    Attempt,
    AttemptResult,
    BreachInput,
    Channels,
    CommandInput,
    Input,
    Tick,
)
from streams.alerting.lifecycle import take_breach
from streams.alerting.recheck import obstacle_to, reconsider
from streams.alerting.state import OTHERS, Circuit, State
from streams.alerting.table import Table
from streams.alerting.ticking import prune, tick
from streams.alerting.timers import LEASE_MS, ROWS_A_TICK
from streams.alerting.transition import Turn
from streams.channels.registry import traits


class DecisionRecord(NamedTuple):
    """A decision to publish on `notifications`; say `published` once the broker has it."""

    row: bytes
    """The table's key of the row that owes it."""
    id: str
    key: bytes
    """The record's key: the alert's fingerprint."""
    value: bytes
    """A Notification as JSON."""
    letter: bytes
    """What to send to the dead letters too, of a delivery that was given up; else empty."""


class Alert(NamedTuple):
    """How an alert stands."""

    breach: Breach
    """Its newest."""
    state: State
    since_ms: int
    """The clock when this state began."""
    acknowledged_by: str


class AlertEngine:
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
        self._table = Table(packed)
        self._channels = channels
        self._generation = generation
        self._claimed_ms: dict[str, int] = {}

    def use(self, channels: Channels) -> None:
        """Let other channels be in force from now on; who could not be told is decided again."""
        self._channels = channels
        free(self._table, channels)
        self._table.note()

    def take(self, given: Input, now_ms: int) -> int:
        """Decide upon an input; return how many decisions that made.

        A record whose offset its row has seen changes nothing. If it raises, nothing has changed.
        """
        try:
            said = self._take(given, now_ms)
            self._table.note()
        except Exception:
            self._table = self._table.rebuilt()
            raise
        return said

    def _take(self, given: Input, now_ms: int) -> int:
        turn = self._turn(_cause(given), now_ms)
        match given:
            case BreachInput():
                _take_breach(turn, given)
            case CommandInput():
                take_command(turn, given.command, given.offset)
            case AttemptResult():
                take_answer(turn, given)
            case Tick():
                tick(turn)
        return turn.said

    def next_due_ms(self) -> int | None:
        """Return when a Tick has something to decide, None if never as things stand."""
        next_wake = self._table.next_wake()
        return next_wake[0] if next_wake is not None else None

    # ------------------------------------------------------------------ delivering

    def next_attempt_ms(self, channel: str) -> int | None:
        """Return when `next_attempt` has something for the channel, None if nothing waits."""
        queue = self._table.parcels.queues.get(channel)
        due_ms = queue.next_ms() if queue is not None else None
        return None if due_ms is None else max(due_ms, self._free_ms(channel))

    def next_attempt(self, channel: str, now_ms: int, lease_ms: int = LEASE_MS) -> Attempt | None:
        """Claim the next message of a channel, None if none is due now.

        What it says is decided again first: what is not to be sent any more is dropped.

        Pacing, backoff, an open circuit and others' leases are respected. One claim at a time
        may be open for a channel. The request must not begin before the changes are written,
        and must end before the lease.
        """
        queue = self._table.parcels.queues.get(channel)
        if queue is None or now_ms < self._free_ms(channel):
            return None
        turn = self._turn(Cause(kind="delivery"), now_ms)
        claimed = None
        while (first := queue.first(now_ms)) is not None and turn.said < ROWS_A_TICK:
            parcel = self._table.parcels.before(first, now_ms)
            if not reconsider(turn, parcel):
                continue
            if not given_up_unasked(turn, parcel):
                claimed = claim(turn, parcel, self._generation, lease_ms)
                self._claimed_ms[channel] = now_ms
            break
        self._table.note()
        return claimed

    def may_send(self, parcel: Attempt, now_ms: int) -> bool:
        """Whether a claimed message may still be sent: nothing decided since then forbids it."""
        found = self._table.parcels.head_of(parcel.id)
        if found is None or not is_claimed(found[1], parcel):
            return False
        turn = self._turn(Cause(kind="delivery"), now_ms)
        for key, delivery_id in self._table.parcels.members_of(parcel.id):
            row = self._table.rows[key]
            delivery = row.delivery(delivery_id)
            if delivery is not None and obstacle_to(turn, row, delivery) is not None:
                return False
        return True

    def _turn(self, cause: Cause, now_ms: int) -> Turn:
        return Turn(table=self._table, channels=self._channels, now_ms=now_ms, cause=cause)

    def _free_ms(self, channel: str) -> int:
        """Return when a channel may be asked again: its pace, and its circuit."""
        known = self._channels.by_name.get(channel)
        pace_ms = traits(known).pace_ms if known is not None else 0
        last_ms = self._claimed_ms.get(channel)
        paced_ms = last_ms + pace_ms if last_ms is not None else 0
        return max(paced_ms, self._table.circuit(channel).open_until_ms)

    def alert(self, fingerprint: str) -> Alert | None:
        """Return how the alert of a fingerprint stands, None if there is none."""
        row = self._table.rows.get(fingerprint)
        if row is None or not row.newest or fingerprint.startswith(OTHERS):
            return None
        return Alert(self._table.newest(row), row.state, row.since_ms, row.acknowledged_by)

    def circuit(self, channel: str) -> Circuit:
        """Return a channel's failures, and whether it asked to be sent nothing more."""
        return self._table.circuit(channel)

    # ------------------------------------------------------------------ giving out

    def take_changes(self, *, published: bool = False) -> list[tuple[bytes, bytes | None]]:
        """Return the rows to write, in this order; None to delete.

        Args:
            published: also those that changed only in that their decisions are published.
        """
        return self._table.take_changes(published=published)

    def unpublished(self) -> Iterator[DecisionRecord]:
        """Yield decisions that are not known to be published, an alert's own in their order."""
        for key, one in self._table.unpublished():
            yield DecisionRecord(key.encode(), one.id, one.key.encode(), one.value, one.letter)

    def published(self, publications: Iterable[DecisionRecord]) -> None:
        """Note that the broker has decisions; their rows say so with the next change."""
        by_row: dict[bytes, set[str]] = {}
        for one in publications:
            by_row.setdefault(one.row, set()).add(one.id)
        for key, ids in by_row.items():
            self._table.published(key.decode(), ids)

    @property
    def queued(self) -> dict[str, int]:
        """How many messages each channel is owed, without those in flight."""
        return {channel: len(queue) for channel, queue in self._table.parcels.queues.items()}


def _take_breach(turn: Turn, given: BreachInput) -> None:
    breach = given.breach
    row = turn.table.rows.get(breach.fingerprint) or turn.table.create(breach.fingerprint)
    if given.offset <= row.breach_offset:
        return
    row.breach_offset = given.offset
    take_breach(turn, row, breach, given.raw)
    prune(row, turn.now_ms)
    turn.table.settle(row)


def _cause(given: Input) -> Cause:
    match given:
        case BreachInput():
            return Cause(kind="breach", topic=given.topic, offset=given.offset)
        case CommandInput():
            return Cause(kind="command", topic=given.topic, offset=given.offset)
        case AttemptResult():
            return Cause(kind="delivery")
        case Tick():
            return Cause(kind="tick")
