"""Decide in which message a telling goes: at once, in a follow-up, or in a storm's summary.

    first            5 s: one follow-up
      |---x-x--x-------|
    messages of a minute:  1 2 3 ... 10, then  |--- 30 s: one summary ---|

Views are derived from the deliveries in the rows, so they are the same after a restart.
"""

from collections import deque
from typing import NamedTuple

from streams.alerting.ids import digest
from streams.alerting.limits import (
    GROUP_WAIT_MS,
    STORM_MESSAGES,
    STORM_WAIT_MS,
    STORM_WINDOW_MS,
)
from streams.alerting.rows import Delivery


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
        self.storm = ""
        self.storm_until_ms = 0
        self.messages: deque[tuple[int, str]] = deque()


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
        if all(parcel != delivery.parcel for _, parcel in view.messages):
            view.messages.append((delivery.created_ms, delivery.parcel))

    def place(self, channel: str, family: str, delivery_id: str, now_ms: int) -> Place:
        """Return the message that a new delivery goes in."""
        view = self._view(channel, family)
        while view.messages and view.messages[0][0] <= now_ms - STORM_WINDOW_MS:
            view.messages.popleft()
        if now_ms < view.storm_until_ms:
            return Place(view.storm, view.storm_until_ms, storm=True)
        if view.lead_ms <= now_ms < view.lead_ms + GROUP_WAIT_MS:
            parcel = digest("follow-up", channel, family, view.lead)
            return Place(parcel, view.lead_ms + GROUP_WAIT_MS)
        if len(view.messages) >= STORM_MESSAGES:
            return Place(digest("storm", delivery_id), now_ms + STORM_WAIT_MS, storm=True)
        return Place("", now_ms)

    def _view(self, channel: str, family: str) -> _View:
        place = (channel, family)
        if place not in self._views:
            self._views[place] = _View()
        return self._views[place]
