"""Hold the rows in memory, with the views that are derived from them."""

from collections.abc import Iterator, MutableMapping
from heapq import heappop, heappush

from schemas.breaches import Breach
from schemas.commands import Silence
from streams.alerting.grouping import Groups
from streams.alerting.inhibition import hidden_with, hides
from streams.alerting.queue import Due, Queue
from streams.alerting.routing import RANK
from streams.alerting.rows import (
    CHANNEL,
    SILENCE,
    Circuit,
    Decision,
    Delivery,
    Row,
    pack_row,
    unpack_row,
)
from streams.alerting.waking import wake_ms

Member = tuple[str, str]
"""(row's key, delivery's id)."""


class Table:
    """All rows; whoever changes one calls `settle` before the next is looked at."""

    def __init__(self, packed: MutableMapping[bytes, bytes]) -> None:
        self.groups = Groups()
        self.parcels: dict[str, dict[Member, None]] = {}
        """The owed deliveries of each message, in the order of their creation."""
        self.queues: dict[str, Queue] = {}
        self.incidents: dict[str, set[tuple[str, str, int]]] = {}
        """(row, episode, level) of those told under an incident and not resolved yet."""
        self.hiders: dict[str, set[str]] = {}
        """Rows of alerts that hide others, by service."""
        self.silences: dict[str, Silence] = {}
        self.rows: dict[str, Row] = {}
        self._packed = packed
        self._held_by: dict[str, set[str]] = {}
        self._of_delivery: dict[str, str] = {}
        self._breaches: dict[str, tuple[str, Breach]] = {}
        self._published: dict[str, None] = {}
        self._traces: dict[str, _Trace] = {}
        self._wakes: list[tuple[int, str]] = []
        self._woken: dict[str, int] = {}
        self._heads: dict[str, Member] = {}
        self._unsaid: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        """Rows that changed with the present input."""
        self._noted: dict[str, bytes | None] = {}
        """What to write: rows as the inputs before left them, last changed last; None to delete."""
        self._dropped: dict[str, int] = {}
        """Versions of rows that were deleted, until that is written: what comes after is higher."""
        self._recover()

    # ------------------------------------------------------------------ rows

    def create(self, key: str) -> Row:
        """Return a new row."""
        row = self.rows[key] = Row(key=key, version=self._dropped.pop(key, 0))
        return row

    def circuit(self, channel: str) -> Circuit:
        """Return a channel's failures."""
        row = self.rows.get(CHANNEL + channel)
        return row.circuit if row is not None and row.circuit is not None else Circuit()

    def set_circuit(self, channel: str, circuit: Circuit) -> None:
        """Set a channel's failures."""
        row = self.rows.get(CHANNEL + channel) or self.create(CHANNEL + channel)
        row.circuit = circuit
        self.settle(row)

    def newest(self, row: Row) -> Breach:
        """Return an alert's newest breach."""
        known = self._breaches.get(row.key)
        if known is None or known[0] != row.newest:
            known = self._breaches[row.key] = (row.newest, self.text(row, row.newest))
        return known[1]

    def text(self, row: Row, name: str) -> Breach:
        """Return a breach that the row keeps."""
        known = self._breaches.get(row.key)
        if known is not None and known[0] == name:
            return known[1]
        return Breach.model_validate_json(row.texts[name])

    def set_newest(self, row: Row, name: str, raw: bytes, breach: Breach) -> None:
        """Let a breach be the newest of a row."""
        row.newest = name
        row.texts[name] = raw
        self._breaches[row.key] = (name, breach)

    def of_delivery(self, delivery_id: str) -> Row | None:
        """Return the row that a delivery stands in."""
        return self.rows.get(self._of_delivery.get(delivery_id, ""))

    def head_of(self, parcel: str) -> tuple[Row, Delivery] | None:
        """Return the delivery that carries a message's claim and times."""
        key, delivery_id = self._heads.get(parcel, ("", ""))
        row = self.rows.get(key)
        delivery = row.delivery(delivery_id) if row is not None else None
        return (row, delivery) if row is not None and delivery is not None else None

    def before(self, parcel: str, now_ms: int) -> str:
        """Return the message to send first: the same channel is to hear of episodes in order."""
        seen: set[str] = set()
        while parcel not in seen and (found := self.head_of(parcel)) is not None:
            seen.add(parcel)
            row, head = found
            older = row.deliveries[: row.deliveries.index(head)]
            earlier = next((one for one in older if _precedes(one, head)), None)
            first = self.head_of(earlier.parcel) if earlier is not None else None
            if first is None or not _may_go(first[1], now_ms):
                break
            parcel = first[1].parcel
        return parcel

    def in_flight(self, delivery: Delivery) -> bool:
        """Whether a delivery is being sent, or may be."""
        head = self.head_of(delivery.parcel)
        return head is not None and head[1].claim is not None

    # ------------------------------------------------------------------ changes

    def settle(self, row: Row) -> None:
        """Note that a row has changed: it is to be written, and what is derived follows."""
        row.version += 1
        self._change(row.key)
        needed = {one.text for one in row.deliveries if one.outcome in ("", "gave_up")}
        needed.add(row.newest)
        row.texts = {name: raw for name, raw in row.texts.items() if name in needed}
        self._index(row)
        self._pass_on(row)
        self.wake(row)

    def wake(self, row: Row) -> None:
        """Note when the row is to be looked at again, and those that wait for it now."""
        for key in [row.key, *sorted(self._held_by.get(row.key, ()))]:
            at_ms = wake_ms(self, self.rows[key]) if key in self.rows else None
            if at_ms is not None and self._woken.get(key) != at_ms:
                self._woken[key] = at_ms
                heappush(self._wakes, (at_ms, key))

    def drop(self, row: Row) -> None:
        """Delete a row."""
        self._unindex(row.key)
        for delivery in row.deliveries:
            self._of_delivery.pop(delivery.id, None)
        self.rows.pop(row.key)
        self._dropped[row.key] = row.version
        self._breaches.pop(row.key, None)
        self._change(row.key)

    def note(self) -> None:
        """Note the rows as they are now that an input is decided upon."""
        for key in self._changed:
            self._noted.pop(key, None)  # last changed, last written
            self._noted[key] = pack_row(self.rows[key]) if key in self.rows else None
        self._changed.clear()

    def rebuilt(self) -> "Table":
        """Return the rows as they were noted last, in a table that writes what this one was to."""
        packed = {key.decode(): value for key, value in self._packed.items()} | self._noted
        table = Table({key.encode(): value for key, value in packed.items() if value is not None})
        table._packed = self._packed
        table._noted, table._published = self._noted, self._published
        table._dropped = self._dropped
        return table

    def next_wake(self) -> tuple[int, str] | None:
        """Return when which row is to be looked at next."""
        while self._wakes:
            at_ms, key = self._wakes[0]
            row = self.rows.get(key)
            if row is not None and wake_ms(self, row) == at_ms:
                return at_ms, key
            heappop(self._wakes)
            if self._woken.get(key) == at_ms:
                del self._woken[key]
        return None

    def take_changes(self, *, published: bool) -> list[tuple[bytes, bytes | None]]:
        """Return what to write, None to delete."""
        if published:
            for row in (self.rows[key] for key in self._published if key in self.rows):
                row.version += 1
                self._noted[row.key] = pack_row(row)
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

    def unpublished(self) -> Iterator[tuple[str, Decision]]:
        """Yield (row's key, decision) of all that are not known to be published."""
        for key in list(self._unsaid):
            row = self.rows.get(key)
            for decision in list(row.decisions) if row else ():
                yield key, decision

    def published(self, key: str, decision_id: str) -> None:
        """Note that a decision is published."""
        row = self.rows.get(key)
        if row is None:
            return
        row.decisions = [one for one in row.decisions if one.id != decision_id]
        self._published[key] = None
        if not row.decisions:
            self._unsaid.pop(key, None)
            self.wake(row)

    def _change(self, key: str) -> None:
        self._changed.pop(key, None)
        self._changed[key] = None

    # ------------------------------------------------------------------ views

    def _recover(self) -> None:
        for packed in self._packed.values():
            row = unpack_row(packed)
            self.rows[row.key] = row
        made = sorted(
            ((one.created_ms, one.id, row) for row in self.rows.values() for one in row.deliveries),
            key=lambda one: one[:2],
        )
        for _, delivery_id, row in made:
            self._enter(row, row.delivery(delivery_id))
        for row in self.rows.values():
            self._index(row)
        self._crown()
        for row in self.rows.values():
            self.wake(row)

    def _crown(self) -> None:
        """Let each message have a head: its own may be over where a crash cut the writes short."""
        for parcel, members in self.parcels.items():
            if parcel not in self._heads:
                key, delivery_id = next(iter(members))
                row = self.rows[key]
                delivery = row.delivery(delivery_id)
                assert delivery is not None
                delivery.head = True
                self._index_delivery(row, delivery)

    def _pass_on(self, row: Row) -> None:
        """Let the next member carry a message whose head is over and that others are owed."""
        for old in row.deliveries:
            members = self.parcels.get(old.parcel)
            if old.owed or not old.head or not members or old.parcel in self._heads:
                continue
            key, delivery_id = next(iter(members))
            heir = self.rows[key].delivery(delivery_id)
            assert heir is not None
            heir.head = True
            heir.attempts, heir.ambiguous = old.attempts, old.ambiguous
            heir.not_before_ms = max(heir.not_before_ms, old.not_before_ms)
            if key == row.key:
                self._index_delivery(row, heir)
            else:
                self.settle(self.rows[key])

    def _enter(self, row: Row, delivery: Delivery | None) -> None:
        assert delivery is not None
        self._of_delivery[delivery.id] = row.key
        self.groups.note(delivery)
        if delivery.owed:
            self.parcels.setdefault(delivery.parcel, {})[row.key, delivery.id] = None

    def _index(self, row: Row) -> None:
        old = self._traces.get(row.key)
        self._unindex(row.key)
        trace = self._traces[row.key] = _Trace()
        trace.deliveries = {one.id for one in row.deliveries}
        for gone in old.deliveries - trace.deliveries if old is not None else ():
            self._of_delivery.pop(gone, None)
        if row.decisions:
            self._unsaid[row.key] = None
        for delivery in row.deliveries:
            if delivery.id not in self._of_delivery:
                self._enter(row, delivery)
            self._index_delivery(row, delivery)
        self._index_told(row, trace)
        for hold in row.holds:
            if hold.by:
                self._held_by.setdefault(hold.by, set()).add(row.key)
                trace.held_by.append(hold.by)
        if row.silence is not None:
            self.silences[row.key] = Silence.model_validate_json(row.silence.command)
        elif row.newest and not row.key.startswith(SILENCE):
            service = hides(self.newest(row))
            if service is not None:
                self.hiders.setdefault(service, set()).add(row.key)
                trace.hides = service

    def _index_told(self, row: Row, trace: "_Trace") -> None:
        for told in row.told:
            if told.state != "failed" and self._unresolved(row, told.resolve):
                place = (row.key, told.breach_id, told.level)
                self.incidents.setdefault(told.incident, set()).add(place)
                trace.incidents.append((told.incident, place))

    def _unresolved(self, row: Row, resolve: str) -> bool:
        """Whether what was told is open: no resolve is decided, or it waits for an answer."""
        if not resolve:
            return True
        delivery = row.delivery(resolve)
        return delivery is not None and bool(delivery.after)

    def _index_delivery(self, row: Row, delivery: Delivery) -> None:
        member = (row.key, delivery.id)
        members = self.parcels.get(delivery.parcel, {})
        if delivery.owed:
            self.parcels.setdefault(delivery.parcel, members)[member] = None
        elif member in members:
            del members[member]
            if not members:
                self.parcels.pop(delivery.parcel, None)
                self._queue(delivery.channel).remove(delivery.parcel)
        if not delivery.head:
            return
        if not delivery.owed:
            if self._heads.get(delivery.parcel) == member:
                del self._heads[delivery.parcel]
            return
        self._heads[delivery.parcel] = member
        queue = self._queue(delivery.channel)
        if delivery.claim is not None or delivery.after:
            queue.remove(delivery.parcel)
        else:
            mildness = -RANK[delivery.severity]
            queue.put(delivery.parcel, Due(delivery.not_before_ms, mildness, delivery.created_ms))

    def _queue(self, channel: str) -> Queue:
        return self.queues.setdefault(channel, Queue())

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
        for by in trace.held_by:
            self._held_by.get(by, set()).discard(key)
        if trace.hides is not None:
            self.hiders[trace.hides].discard(key)

    def service_hidden_by(self, breach: Breach) -> list[str]:
        """Return the rows of alerts that may hide a breach, in order."""
        service = hidden_with(breach)
        return sorted(self.hiders.get(service, ())) if service is not None else []


def _precedes(one: Delivery, other: Delivery) -> bool:
    """Whether one tells the same channel of an episode before the other's."""
    return (
        one.owed
        and one.channel == other.channel
        and one.breach_id != other.breach_id
        and one.parcel != other.parcel
        and one.event == "resolved"
    )


def _may_go(head: Delivery, now_ms: int) -> bool:
    if head.claim is not None or head.after:
        return False
    return head.not_before_ms <= now_ms or not (head.attempts or head.storm)


class _Trace:
    """What a row has put in the views."""

    __slots__ = ("deliveries", "held_by", "hides", "incidents")

    def __init__(self) -> None:
        self.incidents: list[tuple[str, tuple[str, str, int]]] = []
        self.deliveries: set[str] = set()
        self.held_by: list[str] = []
        self.hides: str | None = None
