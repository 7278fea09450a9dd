"""Tell which decisions answer a command, and what became of the message it asked for."""

from schemas.notifications import Notification, Reason
from streams.audit.tellings import ends

_PLAIN: frozenset[Reason] = frozenset({"command_done", "command_refused", "duplicate"})
_REFUSED: frozenset[Reason] = frozenset(
    {
        "command_refused",
        "unknown_channel",
        "undeliverable",
        "channel_disabled",
        "gave_up",
        # Dropped before it was sent, as its alert is now:
        "acknowledged",
        "silenced",
        "inhibited",
        "cooldown",
        "below_severity",
    }
)


class Answer:
    """The decisions that follow from the command at an offset: hand it all there are."""

    def __init__(self, offset: int) -> None:
        self.said: Notification | None = None
        """Whether it was done or refused; of a test the first thing decided."""
        self.retry: Notification | None = None
        """The last attempt that did not get through."""
        self.outcome: Notification | None = None
        """What became of the message it asked for."""
        self._offset = offset
        self._deliveries: set[str] = set()

    @property
    def refused(self) -> bool:
        """Whether it was refused, or the message it asked for will not arrive."""
        last = self.outcome or self.said
        return last is not None and last.reason in _REFUSED

    def take(self, decision: Notification) -> None:
        """Take a decision in; one that follows from something else changes nothing."""
        cause = decision.cause
        if cause.kind == "command" and cause.offset == self._offset:
            if decision.delivery is not None:
                self._deliveries.add(decision.delivery)
            if self.said is None or decision.reason in _PLAIN:
                self.said = decision
        elif decision.delivery in self._deliveries:
            if ends(decision):
                self.outcome = decision
            elif decision.reason == "retry":
                self.retry = decision
