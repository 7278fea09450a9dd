"""Decide in which batch a delivery goes: at once, in a follow-up, or in a storm's summary.

    first            5 s: one follow-up
      |---x-x--x-------|
    messages of a minute:  1 2 3 ... 10, then  |--- 30 s: one summary ---|

A message that holds as many as its channel names is followed by another one of the same time.

Views are derived from the deliveries in the states, so they are the same after a restart.
"""

from collections import deque
from typing import NamedTuple

from streams.alerting.limits import (
    GROUP_WAIT_MS,
    STORM_MESSAGES,
    STORM_WAIT_MS,
    STORM_WINDOW_MS,
)
from streams.alerting.state import Delivery, digest


class Placement(NamedTuple):
    """The batch that a delivery goes in."""

    batch: str
    """Empty: one of its own."""
    not_before_ms: int
    storm: bool = False


class _Group:
    """The recent deliveries of one channel with one grouping key."""

    def __init__(self) -> None:
        self.lead = ""
        self.lead_ms = -GROUP_WAIT_MS
        self.follow_up = ""
        self.storm = ""
        self.storm_until_ms = 0
        self.messages: deque[tuple[int, str]] = deque()
        self.sizes: dict[str, int] = {}
        """How many deliveries share each of these messages."""


class Groups:
    """The recent deliveries, by channel and grouping key."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}

    def note(self, delivery: Delivery) -> None:
        """Count a new delivery; each once, in the order of their creation."""
        if not delivery.group_key:
            return
        group = self._group(delivery.channel, delivery.group_key)
        if delivery.storm:
            if group.storm != delivery.batch:
                group.storm, group.storm_until_ms = delivery.batch, delivery.not_before_ms
        elif delivery.batch == delivery.id:
            group.lead, group.lead_ms = delivery.id, delivery.created_ms
        elif group.follow_up != delivery.batch:
            group.follow_up = delivery.batch
        if delivery.batch not in group.sizes:
            group.messages.append((delivery.created_ms, delivery.batch))
        group.sizes[delivery.batch] = group.sizes.get(delivery.batch, 0) + 1

    def place(
        self, channel: str, group_key: str, delivery_id: str, now_ms: int, max_size: int
    ) -> Placement:
        """Return the batch that a new delivery goes in.

        Args:
            channel: where it is sent.
            group_key: its grouping key.
            delivery_id: its own.
            now_ms: the clock.
            max_size: the most that may share a message.
        """
        group = self._group(channel, group_key)
        while group.messages and group.messages[0][0] <= now_ms - STORM_WINDOW_MS:
            group.sizes.pop(group.messages.popleft()[1], None)
        if now_ms < group.storm_until_ms:
            full = group.sizes.get(group.storm, 0) >= max_size
            batch = digest("storm", delivery_id) if full else group.storm
            return Placement(batch, group.storm_until_ms, storm=True)
        if group.lead_ms <= now_ms < group.lead_ms + GROUP_WAIT_MS:
            batch = digest("follow-up", channel, group_key, group.lead)
            if batch in group.sizes:
                batch = group.follow_up
            if group.sizes.get(batch, 0) >= max_size:
                batch = digest("follow-up", delivery_id)
            return Placement(batch, group.lead_ms + GROUP_WAIT_MS)
        if len(group.messages) >= STORM_MESSAGES:
            return Placement(digest("storm", delivery_id), now_ms + STORM_WAIT_MS, storm=True)
        return Placement("", now_ms)

    def _group(self, channel: str, group_key: str) -> _Group:
        return self._groups.setdefault((channel, group_key), _Group())
