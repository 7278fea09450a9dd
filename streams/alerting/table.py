"""Hold the rows in memory, with the views that are derived from them."""

from collections.abc import Collection, Iterator, MutableMapping
from heapq import heappop, heappush

from schemas.breaches import Breach
from schemas.commands import Silence
from streams.alerting.batches import Parcels
from streams.alerting.inhibition import hidden_with, hides
from streams.alerting.state import (
    CHANNEL,
    SILENCE,
    Circuit,
    Decision,
    Row,
    pack_row,
    unpack_row,
)
from streams.alerting.waking import wake_ms


class Table:
    """All rows; whoever changes one calls `settle` before the next is looked at."""

    def __init__(self, packed: MutableMapping[bytes, bytes]) -> None:
        self.incidents: dict[str, set[tuple[str, str, int]]] = {}
        """(row, episode, level) of those told under an incident and not resolved yet."""
        self.hiders: dict[str, set[str]] = {}
        """Rows of alerts that hide others, by service."""
        self.silences: dict[str, Silence] = {}
        self.rows: dict[str, Row] = {}
        self._packed = packed
        self._held_by: dict[str, set[str]] = {}
        self._breaches: dict[str, tuple[str, Breach]] = {}
        self._published: dict[str, None] = {}
        self._traces: dict[str, _Trace] = {}
        self._wakes: list[tuple[int, str]] = []
        self._woken: dict[str, int] = {}
        self._unsaid: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        """Rows that changed with the present input."""
        self._noted: dict[str, bytes | None] = {}
        """What to write: rows as the inputs before left them, last changed last; None to delete."""
        self._dropped: dict[str, int] = {}
        """Versions of rows that were deleted, until that is written: what comes after is higher."""
        for value in packed.values():
            row = unpack_row(value)
            self.rows[row.key] = row
        self.parcels = Parcels(self.rows)
        for row in self.rows.values():
            self._index(row)
        for row in self.rows.values():
            self.wake(row)

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

    # ------------------------------------------------------------------ changes

    def settle(self, row: Row) -> None:
        """Note that a row has changed: it is to be written, and what is derived follows."""
        row.version += 1
        self._change(row.key)
        needed = {one.text for one in row.deliveries if one.outcome in ("", "gave_up")}
        needed.add(row.newest)
        row.texts = {name: raw for name, raw in row.texts.items() if name in needed}
        self.parcels.index(row)
        self._index(row)
        for heir in self.parcels.pass_on(row):
            self.settle(heir)
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
        self.parcels.forget(row)
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

    def published(self, key: str, ids: Collection[str]) -> None:
        """Note that decisions of a row are published."""
        row = self.rows.get(key)
        if row is None:
            return
        row.decisions = [one for one in row.decisions if one.id not in ids]
        self._published[key] = None
        if not row.decisions:
            self._unsaid.pop(key, None)
            self.wake(row)

    def _change(self, key: str) -> None:
        self._changed.pop(key, None)
        self._changed[key] = None

    # ------------------------------------------------------------------ views

    def _index(self, row: Row) -> None:
        self._unindex(row.key)
        trace = self._traces[row.key] = _Trace()
        if row.decisions:
            self._unsaid[row.key] = None
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


class _Trace:
    """What a row has put in the views."""

    __slots__ = ("held_by", "hides", "incidents")

    def __init__(self) -> None:
        self.incidents: list[tuple[str, tuple[str, str, int]]] = []
        self.held_by: list[str] = []
        self.hides: str | None = None
