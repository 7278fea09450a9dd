"""Index the pending deliveries: which share a batch, which is its head, which batch goes next.

A view of the states: whoever owns them calls `index` when one has changed.
"""

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from streams.alerting.grouping import Groups
from streams.alerting.state import RANK, Delivery, State, Subject

Member = tuple[str, str]
"""(state's key, delivery's id)."""


class Due(NamedTuple):
    """When a batch is due, and before which others it goes."""

    not_before_ms: int
    mildness: int
    """The less the worse."""
    created_ms: int


class Queue:
    """The pending batches of one channel: of those that are due the worst, then the oldest."""

    def __init__(self) -> None:
        self._due: dict[str, Due] = {}
        self._waiting: list[tuple[int, str]] = []
        self._ripe: list[tuple[int, int, str]] = []
        self._ripe_now: set[str] = set()

    def put(self, batch: str, due: Due) -> None:
        """Add a batch, or change when it is due."""
        if self._due.get(batch) != due:
            self._due[batch] = due
            self._ripe_now.discard(batch)
            heappush(self._waiting, (due.not_before_ms, batch))

    def remove(self, batch: str) -> None:
        """Forget a batch: it is over, or in flight."""
        self._due.pop(batch, None)
        self._ripe_now.discard(batch)

    def first(self, now_ms: int) -> str | None:
        """Return the batch that goes next, None if none is due."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            at_ms, batch = heappop(self._waiting)
            due = self._due.get(batch)
            if due is not None and due.not_before_ms == at_ms and batch not in self._ripe_now:
                self._ripe_now.add(batch)
                heappush(self._ripe, (due.mildness, due.created_ms, batch))
        while self._ripe:
            mildness, created_ms, batch = self._ripe[0]
            due = self._due.get(batch)
            is_current = due is not None and due[1:] == (mildness, created_ms)
            if is_current and batch in self._ripe_now:
                return batch
            heappop(self._ripe)
        return None

    def next_ms(self) -> int | None:
        """Return when a batch is due, maybe in the past; None if there is none."""
        for batch in self._ripe_now:
            return self._due[batch].not_before_ms
        while self._waiting:
            at_ms, batch = self._waiting[0]
            due = self._due.get(batch)
            if due is not None and due.not_before_ms == at_ms:
                return at_ms
            heappop(self._waiting)
        return None

    def __len__(self) -> int:
        return len(self._due)


class Batches:
    """The batches of pending deliveries."""

    def __init__(self, states: Mapping[str, State]) -> None:
        """Index these states, now and as they change."""
        self.groups = Groups()
        self.queues: dict[str, Queue] = {}
        """By channel."""
        self.members: dict[str, dict[Member, None]] = {}
        """The pending deliveries of each batch, in the order of their creation."""
        self._states = states
        self._heads: dict[str, Member] = {}
        self._key_of: dict[str, str] = {}
        self._ids: dict[str, set[str]] = {}
        """The deliveries of each state."""
        subjects = [state for state in states.values() if isinstance(state, Subject)]
        created = sorted(
            (
                (delivery.created_ms, delivery.id, subject, delivery)
                for subject in subjects
                for delivery in subject.deliveries
            ),
            key=lambda entry: entry[:2],
        )
        for _, _, subject, delivery in created:
            self._add(subject, delivery)
        for subject in subjects:
            self.index(subject)
        for batch, members in self.members.items():
            if batch not in self._heads:  # a crash may have cut the writes short after its head's
                self._index(*self._make_head(next(iter(members))))

    def subject_of(self, delivery_id: str) -> Subject | None:
        """Return the state that has a delivery."""
        state = self._states.get(self._key_of.get(delivery_id, ""))
        return state if isinstance(state, Subject) else None

    def head_of(self, batch: str) -> tuple[Subject, Delivery] | None:
        """Return the delivery that carries a batch's lease and times."""
        member = self._heads.get(batch)
        return self.member(member) if member is not None else None

    def member(self, member: Member) -> tuple[Subject, Delivery]:
        """Return a member of a batch."""
        subject = self._states[member[0]]
        assert isinstance(subject, Subject)
        delivery = subject.delivery(member[1])
        assert delivery is not None
        return subject, delivery

    def members_of(self, batch: str) -> list[Member]:
        """Return a batch's members, its head last."""
        head = self._heads.get(batch)
        members = list(self.members.get(batch, ()))
        return [member for member in members if member != head] + (
            [head] if head in members else []
        )

    def in_flight(self, delivery: Delivery) -> bool:
        """Whether a delivery is being sent, or may be."""
        head = self.head_of(delivery.batch)
        return head is not None and head[1].lease is not None

    # ------------------------------------------------------------------ changes

    def index(self, subject: Subject) -> None:
        """Index a state as it is now."""
        ids = {delivery.id for delivery in subject.deliveries}
        for forgotten in self._ids.get(subject.key, set()) - ids:
            self._key_of.pop(forgotten, None)
        self._ids[subject.key] = ids
        for delivery in subject.deliveries:
            if delivery.id not in self._key_of:
                self._add(subject, delivery)
            self._index(subject, delivery)

    def pass_on(self, subject: Subject) -> list[Subject]:
        """Let the next pending member carry a batch whose head is over.

        Return the other states that this has changed.
        """
        changed = []
        for old in subject.deliveries:
            members = self.members.get(old.batch)
            if old.pending or not old.head or not members or old.batch in self._heads:
                continue
            member = next(iter(members))
            self._inherit(member, old)
            heir = self.member(member)[0]
            if heir is not subject:
                changed.append(heir)
        return changed

    def split(self, batch: str, rest: list[Member], name: str) -> None:
        """Let some members of a batch go in another one, that the first of them carries.

        Its attempts and times are those of the batch before. The states are yet to be settled.
        """
        _, old = self._make_head(self._heads[batch])
        if self._heads[batch] in rest:
            old.head = False
            self._inherit(next(m for m in self.members[batch] if m not in rest), old)
        for member in rest:
            del self.members[batch][member]
            delivery = self._make_head(member)[1]
            delivery.batch, delivery.head = name, False
            self.members.setdefault(name, {})[member] = None
        self._inherit(rest[0], old)

    def forget(self, subject: Subject) -> None:
        """Forget a state that is deleted: nothing of it is pending."""
        for delivery_id in self._ids.pop(subject.key, set()):
            self._key_of.pop(delivery_id, None)

    def _inherit(self, member: Member, old: Delivery) -> None:
        """Let a member carry its batch as another delivery did."""
        subject, heir = self._make_head(member)
        heir.attempts, heir.ambiguous = old.attempts, old.ambiguous
        heir.not_before_ms = max(heir.not_before_ms, old.not_before_ms)
        self._index(subject, heir)

    def _make_head(self, member: Member) -> tuple[Subject, Delivery]:
        subject, delivery = self.member(member)
        delivery.head = True
        return subject, delivery

    def _add(self, subject: Subject, delivery: Delivery) -> None:
        self._key_of[delivery.id] = subject.key
        self.groups.note(delivery)
        if delivery.pending:
            self.members.setdefault(delivery.batch, {})[subject.key, delivery.id] = None

    def _index(self, subject: Subject, delivery: Delivery) -> None:
        member = (subject.key, delivery.id)
        members = self.members.get(delivery.batch, {})
        if delivery.pending:
            self.members.setdefault(delivery.batch, members)[member] = None
        elif member in members:
            del members[member]
            if not members:
                self.members.pop(delivery.batch, None)
                self._queue(delivery.channel).remove(delivery.batch)
        if not delivery.head:
            return
        if not delivery.pending:
            if self._heads.get(delivery.batch) == member:
                del self._heads[delivery.batch]
            return
        self._heads[delivery.batch] = member
        queue = self._queue(delivery.channel)
        if delivery.lease is not None or delivery.waits_for:
            queue.remove(delivery.batch)
        else:
            mildness = -RANK[delivery.severity]
            queue.put(delivery.batch, Due(delivery.not_before_ms, mildness, delivery.created_ms))

    def _queue(self, channel: str) -> Queue:
        return self.queues.setdefault(channel, Queue())
