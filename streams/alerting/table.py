"""Hold the states in memory, with the views that are derived from them."""

from collections.abc import Collection, Iterator, MutableMapping
from heapq import heappop, heappush
from typing import TypeVar

from schemas.breaches import Breach
from schemas.commands import Silence
from streams.alerting.batches import Batches
from streams.alerting.limits import due_ms, inhibited_with, inhibits
from streams.alerting.state import (
    CHANNEL,
    AlertState,
    ChannelState,
    Circuit,
    SilenceState,
    State,
    Subject,
    TableState,
    UnpublishedDecision,
    breach_key,
    pack_state,
    unpack_state,
)

AnyState = TypeVar("AnyState", bound=State)


class Table:
    """All states; whoever changes one settles it before the next is looked at."""

    def __init__(self, packed: MutableMapping[bytes, bytes]) -> None:
        self.states: dict[str, State] = {}
        self.incidents: dict[str, set[tuple[str, str, int]]] = {}
        """(state, episode, level) of the recipients of each incident that is not resolved yet."""
        self.silences: dict[str, Silence] = {}
        self._inhibitors: dict[str, set[str]] = {}
        """Keys of alerts that inhibit others, by service."""
        self._packed = packed
        self._suppressed_by: dict[str, set[str]] = {}
        self._breaches: dict[str, tuple[str, Breach]] = {}
        self._published: dict[str, None] = {}
        self._traces: dict[str, _Trace] = {}
        self._due: list[tuple[int, str]] = []
        self._due_ms: dict[str, int] = {}
        self._unpublished: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        """States that changed with the present input."""
        self._noted: dict[str, bytes | None] = {}
        """What to write: as the inputs before left it, last changed last; None to delete."""
        self._dropped: dict[str, int] = {}
        """Versions of states that were deleted, until that is written: the next one is higher."""
        for value in packed.values():
            state = unpack_state(value)
            self.states[state.key] = state
        self.batches = Batches(self.states)
        for state in self.states.values():
            self._index(state)
        for state in self.states.values():
            self._schedule(state)

    # ------------------------------------------------------------------ states

    def add(self, state: AnyState) -> AnyState:
        """Add a new state; return it."""
        state.version = self._dropped.pop(state.key, 0)
        self.states[state.key] = state
        return state

    def alert(self, key: str) -> AlertState | None:
        """Return an alert by its fingerprint."""
        state = self.states.get(key)
        return state if isinstance(state, AlertState) else None

    def circuit(self, channel: str) -> Circuit:
        """Return a channel's failures."""
        state = self.states.get(CHANNEL + channel)
        return state.circuit if isinstance(state, ChannelState) else Circuit()

    def set_circuit(self, channel: str, circuit: Circuit) -> None:
        """Set a channel's failures."""
        key = CHANNEL + channel
        state = self.states.get(key) or self.add(ChannelState(key=key))
        assert isinstance(state, ChannelState)
        state.circuit = circuit
        self.settle(state)

    def newest(self, subject: Subject) -> Breach:
        """Return a subject's newest breach."""
        cached = self._breaches.get(subject.key)
        if cached is None or cached[0] != subject.newest:
            breach = self.breach(subject, subject.newest)
            cached = self._breaches[subject.key] = (subject.newest, breach)
        return cached[1]

    def breach(self, subject: Subject, key: str) -> Breach:
        """Return a breach that a state keeps."""
        cached = self._breaches.get(subject.key)
        if cached is not None and cached[0] == key:
            return cached[1]
        return Breach.model_validate_json(subject.breaches[key])

    def set_newest(self, subject: Subject, raw: bytes, breach: Breach) -> None:
        """Let a breach be the newest of a subject."""
        key = breach_key(breach)
        subject.newest = key
        subject.breaches[key] = raw
        self._breaches[subject.key] = (key, breach)

    def inhibitors_of(self, breach: Breach) -> list[str]:
        """Return the alerts that may inhibit a breach, in order."""
        service = inhibited_with(breach)
        return sorted(self._inhibitors.get(service, ())) if service is not None else []

    # ------------------------------------------------------------------ changes

    def settle(self, state: TableState) -> None:
        """Note that a state has changed: it is to be written, and the views follow."""
        state.version += 1
        self._change(state.key)
        if isinstance(state, Subject):
            used = {d.breach_key for d in state.deliveries if d.outcome in ("", "gave_up")}
            used.add(state.newest)
            state.breaches = {key: raw for key, raw in state.breaches.items() if key in used}
            self.batches.index(state)
        self._index(state)
        if isinstance(state, Subject):
            for heir in self.batches.pass_on(state):
                self.settle(heir)
        self._schedule(state)

    def drop(self, state: TableState) -> None:
        """Delete a state."""
        self._unindex(state.key)
        if isinstance(state, Subject):
            self.batches.forget(state)
        self.states.pop(state.key)
        self._dropped[state.key] = state.version
        self._breaches.pop(state.key, None)
        self._change(state.key)

    def note(self) -> None:
        """Note the states as they are now that an input is applied."""
        for key in self._changed:
            self._noted.pop(key, None)  # last changed, last written
            self._noted[key] = pack_state(self.states[key]) if key in self.states else None
        self._changed.clear()

    def rebuilt(self) -> "Table":
        """Return the states as they were noted last, in a table with the same to write."""
        packed = {key.decode(): value for key, value in self._packed.items()} | self._noted
        table = Table({key.encode(): value for key, value in packed.items() if value is not None})
        table._packed = self._packed
        table._noted, table._published = self._noted, self._published
        table._dropped = self._dropped
        return table

    def take_changes(self, *, published: bool) -> list[tuple[bytes, bytes | None]]:
        """Return what to write, None to delete."""
        if published:
            for state in (self.states[key] for key in self._published if key in self.states):
                state.version += 1
                self._noted[state.key] = pack_state(state)
            self._published.clear()
        changes = [(key.encode(), value) for key, value in self._noted.items()]
        for key, value in changes:
            if value is None:
                self._packed.pop(key, None)
            else:
                self._packed[key] = value
        self._noted.clear()
        self._dropped.clear()
        return changes

    def unpublished(self) -> Iterator[tuple[str, UnpublishedDecision]]:
        """Yield (state's key, decision) of all that are not known to be published."""
        for key in list(self._unpublished):
            state = self.states.get(key)
            for decision in list(state.unpublished) if state else ():
                yield key, decision

    def published(self, key: str, ids: Collection[str]) -> None:
        """Note that decisions of a state are published."""
        state = self.states.get(key)
        if state is None:
            return
        state.unpublished = [decision for decision in state.unpublished if decision.id not in ids]
        self._published[key] = None
        if not state.unpublished:
            self._unpublished.pop(key, None)
            self._schedule(state)

    def _change(self, key: str) -> None:
        self._changed.pop(key, None)
        self._changed[key] = None

    # ------------------------------------------------------------------ views

    def next_due(self) -> tuple[int, str] | None:
        """Return when which state is due next."""
        while self._due:
            at_ms, key = self._due[0]
            state = self.states.get(key)
            if state is not None and due_ms(self, state) == at_ms:
                return at_ms, key
            heappop(self._due)
            if self._due_ms.get(key) == at_ms:
                del self._due_ms[key]
        return None

    def _schedule(self, state: TableState) -> None:
        """Note when a state is due, and those that it suppresses."""
        for key in [state.key, *sorted(self._suppressed_by.get(state.key, ()))]:
            at_ms = due_ms(self, self.states[key]) if key in self.states else None
            if at_ms is not None and self._due_ms.get(key) != at_ms:
                self._due_ms[key] = at_ms
                heappush(self._due, (at_ms, key))

    def _index(self, state: TableState) -> None:
        self._unindex(state.key)
        trace = self._traces[state.key] = _Trace()
        if state.unpublished:
            self._unpublished[state.key] = None
        if isinstance(state, SilenceState) and state.command:
            self.silences[state.key] = Silence.model_validate_json(state.command)
        elif isinstance(state, AlertState):
            self._index_alert(state, trace)

    def _index_alert(self, alert: AlertState, trace: "_Trace") -> None:
        for recipient in alert.recipients:
            if recipient.state != "failed" and _is_unresolved(alert, recipient.resolve):
                place = (alert.key, recipient.breach_id, recipient.level)
                self.incidents.setdefault(recipient.incident, set()).add(place)
                trace.incidents.append((recipient.incident, place))
        for suppressed in alert.suppressed:
            if suppressed.by:
                self._suppressed_by.setdefault(suppressed.by, set()).add(alert.key)
                trace.suppressed_by.append(suppressed.by)
        service = inhibits(self.newest(alert)) if alert.newest else None
        if service is not None:
            self._inhibitors.setdefault(service, set()).add(alert.key)
            trace.inhibits = service

    def _unindex(self, key: str) -> None:
        trace = self._traces.pop(key, None)
        self.silences.pop(key, None)
        if trace is None:
            return
        for incident, place in trace.incidents:
            places = self.incidents.get(incident, set())
            places.discard(place)
            if not places:
                self.incidents.pop(incident, None)
        for by in trace.suppressed_by:
            self._suppressed_by.get(by, set()).discard(key)
        if trace.inhibits is not None:
            self._inhibitors[trace.inhibits].discard(key)


def _is_unresolved(alert: AlertState, resolve: str) -> bool:
    """Whether an incident is open: no resolve is decided, or it waits for a response."""
    if not resolve:
        return True
    delivery = alert.delivery(resolve)
    return delivery is not None and bool(delivery.waits_for)


class _Trace:
    """What a state has put in the views."""

    __slots__ = ("incidents", "inhibits", "suppressed_by")

    def __init__(self) -> None:
        self.incidents: list[tuple[str, tuple[str, str, int]]] = []
        self.suppressed_by: list[str] = []
        self.inhibits: str | None = None
