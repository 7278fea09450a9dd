"""Decide on breaches, commands, ticks and results; say what to write, publish and send.

A shell drives it; nothing here waits, sends or looks at a clock:

    apply(input, now_ms)                   a record, a tick or a result came
    next_attempt(channel, now_ms)          one message of this channel is to be sent now
    take_changes() -> rows                 write them in this order and await the broker, ...
    unpublished() -> records               ... then publish these and await, ...
    published(records)                     ... then say so, then commit or send.
"""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import NamedTuple

from schemas.breaches import Breach
from schemas.notifications import Cause
from streams.alerting import limits
from streams.alerting.after_attempt import expire, give_up, release, take_result
from streams.alerting.before_attempt import (
    begin,
    first_to_send,
    is_leased,
    may_send,
    recheck,
    why_unsendable,
)
from streams.alerting.commands import take_command
from streams.alerting.inputs import (
    Attempt,
    AttemptResult,
    BreachInput,
    Channels,
    CommandInput,
    Input,
    Tick,
)
from streams.alerting.lifecycle import escalate, reevaluate, take_breach
from streams.alerting.limits import LEASE_MS, dropped_ms, prune
from streams.alerting.state import AlertState, Circuit, Phase, Subject
from streams.alerting.table import Table
from streams.alerting.transition import Decision, Send, Transition
from streams.channels.registry import traits


class DecisionRecord(NamedTuple):
    """A decision to publish on `notifications`; say `published` once the broker has it."""

    row: bytes
    """The table's key of the state that has it."""
    id: str
    key: bytes
    """The record's key: the alert's fingerprint."""
    value: bytes
    """A Notification as JSON."""
    dead_letter: bytes
    """What to send to the dead letters too, of a delivery that failed for good; else empty."""


class AlertView(NamedTuple):
    """What people are shown of an alert."""

    breach: Breach
    """Its newest."""
    phase: Phase
    since_ms: int
    """The clock when this phase began."""
    acknowledged_by: str


class AlertEngine:
    """All alerts, and everything that is to be sent about them."""

    def __init__(
        self, packed: MutableMapping[bytes, bytes], channels: Channels, generation: str
    ) -> None:
        """Begin with what the table holds.

        Args:
            packed: the table's rows; kept in step by take_changes.
            channels: where messages may go.
            generation: names this process and assignment; another's leases are waited out.
        """
        self._table = Table(packed)
        self._channels = channels
        self._generation = generation
        self._attempted_ms: dict[str, int] = {}

    def use(self, channels: Channels) -> None:
        """Use other channels; evaluate again the notifications whose channel became usable."""
        self._channels = channels
        release(self._transition(Cause(kind="tick"), 0))  # the next tick decides, by its clock
        self._table.note()

    def apply(self, arrived: Input, now_ms: int) -> int:
        """Decide on an input; return how many decisions that made.

        A record whose offset its state has seen changes nothing. If it raises, nothing has changed.
        """
        try:
            context = self._transition(_cause(arrived), now_ms)
            match arrived:
                case BreachInput():
                    _take_breach(context, arrived)
                case CommandInput():
                    take_command(context, arrived.command, arrived.offset)
                case AttemptResult():
                    take_result(context, arrived)
                case Tick():
                    _tick(context)
            self._table.note()
        except Exception:
            self._table = self._table.rebuilt()
            raise
        return len(context.decisions)

    def next_due_ms(self) -> int | None:
        """Return when a Tick has something to decide, None if never as things stand."""
        due = self._table.next_due()
        return due[0] if due is not None else None

    # ------------------------------------------------------------------ attempts

    def next_attempt_ms(self, channel: str) -> int | None:
        """Return when `next_attempt` has something for the channel, None if nothing waits."""
        queue = self._table.batches.queues.get(channel)
        due_ms = queue.next_ms() if queue is not None else None
        return None if due_ms is None else max(due_ms, self._ready_ms(channel))

    def next_attempt(self, channel: str, now_ms: int, lease_ms: int = LEASE_MS) -> Attempt | None:
        """Begin to send the next message of a channel, None if none is due now.

        What it says is decided again first: what is not to be sent any more is dropped.

        Pacing, backoff, an open circuit and others' leases are respected. One attempt at a time
        may be open for a channel. The request must not begin before the changes are written,
        and must end before the lease.
        """
        queue = self._table.batches.queues.get(channel)
        if queue is None or now_ms < self._ready_ms(channel):
            return None
        context = self._transition(Cause(kind="delivery"), now_ms)
        attempt = None
        while (due := queue.first(now_ms)) and len(context.decisions) < limits.ROWS_A_TICK:
            batch = first_to_send(self._table, due, now_ms)
            if not recheck(context, batch):
                continue
            unsendable = why_unsendable(context, batch)
            if unsendable is not None:
                give_up(context, batch, *unsendable)
            else:
                attempt = begin(context, batch, self._generation, lease_ms)
                self._attempted_ms[channel] = now_ms
            break
        self._table.note()
        return attempt

    def may_send(self, attempt: Attempt, now_ms: int) -> bool:
        """Whether an attempt may still be made: nothing decided since it began forbids it."""
        batches = self._table.batches
        found = batches.head_of(attempt.id)
        if found is None or not is_leased(found[1], attempt):
            return False
        context = self._transition(Cause(kind="delivery"), now_ms)
        members = map(batches.member, batches.members_of(attempt.id))
        return all(isinstance(may_send(context, *member), Send) for member in members)

    def _transition(self, cause: Cause, now_ms: int) -> Transition:
        return Transition(table=self._table, channels=self._channels, now_ms=now_ms, cause=cause)

    def _ready_ms(self, channel: str) -> int:
        """Return when a channel may get another request: by its pace, and its circuit."""
        configured = self._channels.by_name.get(channel)
        pace_ms = traits(configured).pace_ms if configured is not None else 0
        last_ms = self._attempted_ms.get(channel)
        paced_ms = last_ms + pace_ms if last_ms is not None else 0
        return max(paced_ms, self._table.circuit(channel).open_until_ms)

    # ------------------------------------------------------------------ views

    def alert(self, fingerprint: str) -> AlertView | None:
        """Return how the alert of a fingerprint stands, None if there is none."""
        alert = self._table.alert(fingerprint)
        if alert is None or not alert.newest:
            return None
        newest = self._table.newest(alert)
        return AlertView(newest, alert.phase, alert.since_ms, alert.acknowledged_by)

    def circuit(self, channel: str) -> Circuit:
        """Return a channel's failures, and whether it asked to be sent nothing more."""
        return self._table.circuit(channel)

    @property
    def queued(self) -> dict[str, int]:
        """How many messages wait for each channel, without those in flight."""
        return {channel: len(queue) for channel, queue in self._table.batches.queues.items()}

    # ------------------------------------------------------------------ changes

    def take_changes(self, *, published: bool = False) -> list[tuple[bytes, bytes | None]]:
        """Return the rows to write, in this order; None to delete.

        Args:
            published: also those that changed only in that their decisions are published.
        """
        return self._table.take_changes(published=published)

    def unpublished(self) -> Iterator[DecisionRecord]:
        """Yield decisions that are not known to be published, an alert's own in their order."""
        for key, d in self._table.unpublished():
            yield DecisionRecord(key.encode(), d.id, d.key.encode(), d.value, d.dead_letter)

    def published(self, records: Iterable[DecisionRecord]) -> None:
        """Note that the broker has decisions; their rows say so with the next change."""
        ids_of: dict[bytes, set[str]] = {}
        for record in records:
            ids_of.setdefault(record.row, set()).add(record.id)
        for key, ids in ids_of.items():
            self._table.published(key.decode(), ids)


def _take_breach(context: Transition, record: BreachInput) -> None:
    breach = record.breach
    alert = context.table.alert(breach.fingerprint)
    if alert is None:
        alert = context.table.add(AlertState(key=breach.fingerprint))
    if record.offset <= alert.breach_offset:
        return
    alert.breach_offset = record.offset
    decisions = take_breach(context, alert, breach, record.raw)
    prune(alert, context.now_ms)
    context.settle(alert, decisions)


def _tick(context: Transition) -> None:
    """Handle at most ROWS_A_TICK due states."""
    for _ in range(limits.ROWS_A_TICK):
        due = context.table.next_due()
        if due is None or due[0] > context.now_ms:
            return
        state = context.table.states[due[1]]
        at_ms = dropped_ms(state)
        if at_ms is not None and at_ms <= context.now_ms:
            context.table.drop(state)
            continue
        decisions: list[Decision] = []
        if isinstance(state, Subject):
            expire(context, state)
        if isinstance(state, AlertState):
            decisions = [*reevaluate(context, state), *escalate(context, state)]
        if isinstance(state, Subject):
            prune(state, context.now_ms)
        context.settle(state, decisions)


def _cause(arrived: Input) -> Cause:
    match arrived:
        case BreachInput():
            return Cause(kind="breach", topic=arrived.topic, offset=arrived.offset)
        case CommandInput():
            return Cause(kind="command", topic=arrived.topic, offset=arrived.offset)
        case AttemptResult():
            return Cause(kind="delivery")
        case Tick():
            return Cause(kind="tick")
