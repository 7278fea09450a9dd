"""Put an alert's records together, as the topics would hold them."""

from typing import Any

from schemas.commands import CommandRecord
from schemas.notifications import Notification
from streams.audit.log import Log
from tests.unit.messages.samples import OPENED_MS, breach, resolved

__all__ = ["OPENED_MS", "Records", "breach", "resolved"]

SECOND_MS = 1000


class Records:
    """A log being written, each record a second after the one before."""

    def __init__(self) -> None:
        self.log = Log()
        self.now_ms = OPENED_MS
        self._offset = {"breach": 0, "command": 0}
        self._cause: dict[str, Any] = {"kind": "tick"}
        self._breach = breach()

    def breached(self, one: Any = None, **changed: Any) -> None:
        """A breach is published; what is decided next follows from it."""
        self._breach = one or breach(**changed)
        self.log.add_breach(self._breach, self._next("breach"), self.now_ms)

    def asked(self, kind: str, **changed: Any) -> int:
        """A command is published; what is decided next follows from it."""
        at = self._offset["command"]
        given = {"id": f"{kind}-{at}", "by": "ada", "at_ms": self.now_ms, "kind": kind}
        if kind == "acknowledge":
            given |= {"fingerprint": self._breach.fingerprint, "breach_id": self._breach.id}
        if kind == "silence":
            given |= {
                "matchers": [{"label": "platform", "value": "lever"}],
                "start_ms": self.now_ms,
                "end_ms": self.now_ms + 3_600_000,
            }
        command = CommandRecord.model_validate(given | changed).root
        offset = self._next("command")
        self.log.add_command(command, offset, self.now_ms)
        return offset

    def decided(self, reason: str, channel: str | None = None, **changed: Any) -> Notification:
        """A decision is published."""
        one = self.decision(reason, channel, **changed)
        self.log.add_decision(one)
        return one

    def decision(self, reason: str, channel: str | None = None, **changed: Any) -> Notification:
        self.now_ms += SECOND_MS
        of = self._breach
        given = {
            "id": f"decision-{self.now_ms}",
            "fingerprint": of.fingerprint,
            "breach_id": of.id,
            "rule": of.rule,
            "series": of.series,
            "severity": of.severity,
            "channel": channel,
            "event": "opened",
            "reason": reason,
            "sentence": f"{reason} {channel}.",
            "now_ms": self.now_ms,
            "cause": self._cause,
        }
        return Notification.model_validate(given | changed)

    def told(self, channel: str, **changed: Any) -> None:
        """A message is owed, tried and taken."""
        delivery = {"delivery": f"to-{channel}", "parcel": f"to-{channel}"} | changed
        self.decided("due", channel, **delivery)
        self.decided("attempted", channel, attempt=1, **delivery)
        self.decided("sent", channel, attempt=1, answer="200 ok", **delivery)

    def _next(self, kind: str) -> int:
        offset = self._offset[kind]
        self._offset[kind] += 1
        self.now_ms += SECOND_MS
        self._cause = {"kind": kind, "topic": f"{kind}s", "offset": offset}
        return offset
