"""Say which deliveries go in one message, which of them carries it, and which message goes next.

A view of the rows: whoever owns them calls `index` when one has changed.
"""

from collections.abc import Mapping

from streams.alerting.grouping import Groups
from streams.alerting.pipeline import RANK
from streams.alerting.queue import Due, Queue
from streams.alerting.state import Delivery, Row

Member = tuple[str, str]
"""(row's key, delivery's id)."""


class Parcels:
    """The messages that are owed."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        """Look at these rows, now and as they change."""
        self.groups = Groups()
        self.queues: dict[str, Queue] = {}
        """By channel."""
        self.members: dict[str, dict[Member, None]] = {}
        """The owed deliveries of each message, in the order of their creation."""
        self._rows = rows
        self._heads: dict[str, Member] = {}
        self._row_of: dict[str, str] = {}
        self._known: dict[str, set[str]] = {}
        """The deliveries of each row."""
        made = sorted(
            ((one.created_ms, one.id, row, one) for row in rows.values() for one in row.deliveries),
            key=lambda one: one[:2],
        )
        for _, _, row, delivery in made:
            self._enter(row, delivery)
        for row in rows.values():
            self.index(row)
        self._crown()

    def row_of(self, delivery_id: str) -> Row | None:
        """Return the row that a delivery stands in."""
        return self._rows.get(self._row_of.get(delivery_id, ""))

    def head_of(self, parcel: str) -> tuple[Row, Delivery] | None:
        """Return the delivery that carries a message's claim and times."""
        key, delivery_id = self._heads.get(parcel, ("", ""))
        row = self._rows.get(key)
        delivery = row.delivery(delivery_id) if row is not None else None
        return (row, delivery) if row is not None and delivery is not None else None

    def members_of(self, parcel: str) -> list[Member]:
        """Return a message's members, its head last."""
        head = self._heads.get(parcel)
        members = list(self.members.get(parcel, ()))
        return [one for one in members if one != head] + ([head] if head in members else [])

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

    def index(self, row: Row) -> None:
        """Take a row in as it is now."""
        ids = {one.id for one in row.deliveries}
        for gone in self._known.get(row.key, set()) - ids:
            self._row_of.pop(gone, None)
        self._known[row.key] = ids
        for delivery in row.deliveries:
            if delivery.id not in self._row_of:
                self._enter(row, delivery)
            self._index(row, delivery)

    def pass_on(self, row: Row) -> list[Row]:
        """Let the next member carry a message whose head is over and that others are owed.

        Return the other rows that this has changed.
        """
        changed = []
        for old in row.deliveries:
            members = self.members.get(old.parcel)
            if old.owed or not old.head or not members or old.parcel in self._heads:
                continue
            member = next(iter(members))
            self._inherit(member, old)
            heirs = self._rows[member[0]]
            if heirs is not row:
                changed.append(heirs)
        return changed

    def split(self, parcel: str, rest: list[Member], name: str) -> None:
        """Let some members of a message go in another one, that the first of them carries.

        Its attempts and times are those of the message before. The rows are yet to be settled.
        """
        _, old = self._crowned(self._heads[parcel])
        if self._heads[parcel] in rest:
            old.head = False
            kept = next(one for one in self.members[parcel] if one not in rest)
            self._inherit(kept, old)
        for member in rest:
            del self.members[parcel][member]
            delivery = self._crowned(member)[1]
            delivery.parcel, delivery.head = name, False
            self.members.setdefault(name, {})[member] = None
        self._inherit(rest[0], old)

    def _inherit(self, member: Member, old: Delivery) -> None:
        """Let a member carry its message as another delivery did."""
        row, heir = self._crowned(member)
        heir.attempts, heir.ambiguous = old.attempts, old.ambiguous
        heir.not_before_ms = max(heir.not_before_ms, old.not_before_ms)
        self._index(row, heir)

    def forget(self, row: Row) -> None:
        """Forget a row that goes: nothing of it is owed."""
        for delivery_id in self._known.pop(row.key, set()):
            self._row_of.pop(delivery_id, None)

    def _crown(self) -> None:
        """Let each message have a head: its own may be over where a crash cut the writes short."""
        for parcel, members in self.members.items():
            if parcel not in self._heads:
                self._index(*self._crowned(next(iter(members))))

    def _crowned(self, member: Member) -> tuple[Row, Delivery]:
        row = self._rows[member[0]]
        delivery = row.delivery(member[1])
        assert delivery is not None
        delivery.head = True
        return row, delivery

    def _enter(self, row: Row, delivery: Delivery) -> None:
        self._row_of[delivery.id] = row.key
        self.groups.note(delivery)
        if delivery.owed:
            self.members.setdefault(delivery.parcel, {})[row.key, delivery.id] = None

    def _index(self, row: Row, delivery: Delivery) -> None:
        member = (row.key, delivery.id)
        members = self.members.get(delivery.parcel, {})
        if delivery.owed:
            self.members.setdefault(delivery.parcel, members)[member] = None
        elif member in members:
            del members[member]
            if not members:
                self.members.pop(delivery.parcel, None)
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
