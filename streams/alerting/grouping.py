"""Decide in which message a telling goes: at once, in a follow-up, or in a storm's summary.

    first            5 s: one follow-up
      |---x-x--x-------|
    messages of a minute:  1 2 3 ... 10, then  |--- 30 s: one summary ---|

A message that holds as many as its channel names is followed by another one of the same time.

Views are derived from the deliveries in the rows, so they are the same after a restart.
"""

from collections import deque
from typing import NamedTuple

from streams.alerting.state import Delivery, digest
from streams.alerting.timers import (
    GROUP_WAIT_MS,
    STORM_MESSAGES,
    STORM_WAIT_MS,
    STORM_WINDOW_MS,
)


class Place(NamedTuple):
    """The message that a delivery goes in."""

    parcel: str
    """Empty: one of its own."""
    not_before_ms: int
    storm: bool = False


class _View:
    """What one channel was owed lately, of one family."""

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
    """What the channels were owed lately."""

    def __init__(self) -> None:
        self._views: dict[tuple[str, str], _View] = {}

    def note(self, delivery: Delivery) -> None:
        """Take a new delivery in; each once, in the order of their creation."""
        if not delivery.family:
            return
        view = self._view(delivery.channel, delivery.family)
        if delivery.storm:
            if view.storm != delivery.parcel:
                view.storm, view.storm_until_ms = delivery.parcel, delivery.not_before_ms
        elif delivery.parcel == delivery.id:
            view.lead, view.lead_ms = delivery.id, delivery.created_ms
        elif view.follow_up != delivery.parcel:
            view.follow_up = delivery.parcel
        if delivery.parcel not in view.sizes:
            view.messages.append((delivery.created_ms, delivery.parcel))
        view.sizes[delivery.parcel] = view.sizes.get(delivery.parcel, 0) + 1

    def place(self, channel: str, family: str, delivery_id: str, now_ms: int, most: int) -> Place:
        """Return the message that a new delivery goes in.

        Args:
            channel: who is told.
            family: as what it is grouped.
            delivery_id: its own.
            now_ms: the clock.
            most: so many may share a message.
        """
        view = self._view(channel, family)
        while view.messages and view.messages[0][0] <= now_ms - STORM_WINDOW_MS:
            view.sizes.pop(view.messages.popleft()[1], None)
        if now_ms < view.storm_until_ms:
            full = view.sizes.get(view.storm, 0) >= most
            parcel = digest("storm", delivery_id) if full else view.storm
            return Place(parcel, view.storm_until_ms, storm=True)
        if view.lead_ms <= now_ms < view.lead_ms + GROUP_WAIT_MS:
            parcel = digest("follow-up", channel, family, view.lead)
            if parcel in view.sizes:
                parcel = view.follow_up
            if view.sizes.get(parcel, 0) >= most:
                parcel = digest("follow-up", delivery_id)
            return Place(parcel, view.lead_ms + GROUP_WAIT_MS)
        if len(view.messages) >= STORM_MESSAGES:
            return Place(digest("storm", delivery_id), now_ms + STORM_WAIT_MS, storm=True)
        return Place("", now_ms)

    def _view(self, channel: str, family: str) -> _View:
        place = (channel, family)
        if place not in self._views:
            self._views[place] = _View()
        return self._views[place]
