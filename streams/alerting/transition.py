"""Put one input's decisions on record, each with its reason."""

from dataclasses import dataclass

import msgspec

from schemas.breaches import Breach
from schemas.notifications import Cause, Event, Reason
from streams.alerting.inputs import Channels
from streams.alerting.state import Decision, Delivery, Row, digest
from streams.alerting.table import Table
from streams.channels.plain import moment
from streams.channels.registry import traits

__all__ = ["Turn", "moment"]

_encode = msgspec.json.Encoder().encode


@dataclass(kw_only=True)
class Turn:
    """One input being decided upon."""

    table: Table
    channels: Channels
    now_ms: int
    cause: Cause
    said: int = 0
    """How many decisions were made."""

    def say(
        self,
        row: Row,
        reason: Reason,
        sentence: str,
        *,
        breach: Breach | None = None,
        channel: str | None = None,
        event: Event | None = None,
        until_ms: int | None = None,
        delivery: Delivery | None = None,
        attempt: int | None = None,
        answer: str | None = None,
        fingerprint: str | None = None,
        letter: bytes = b"",
    ) -> None:
        """Put a schemas.notifications.Notification in the row, which is yet to be settled."""
        row.decided += 1
        if breach is None and row.newest:
            breach = self.table.newest(row)
        key = fingerprint or (breach.fingerprint if breach is not None else row.key)
        breach_id = breach.id if breach is not None else None
        severity = breach.severity if breach is not None else None
        if delivery is not None:
            breach_id, severity = delivery.breach_id, delivery.severity
            channel, event = delivery.channel, delivery.event
        parts = (row.key, breach_id or "", str(row.decided), str(self.now_ms), reason)
        decision_id = digest("decision", *parts)
        # Not by the schema: to make one and dump it takes ten times as long; a test holds the two.
        # Not by orjson: its buffers leave a storm's memory in pieces.
        value = _encode(
            {
                "version": 1,
                "id": decision_id,
                "fingerprint": key,
                "breach_id": breach_id,
                "rule": breach.rule if breach is not None else None,
                "series": breach.series if breach is not None else None,
                "severity": severity,
                "channel": channel,
                "event": event,
                "reason": reason,
                "sentence": sentence,
                "until_ms": until_ms,
                "delivery": delivery.id if delivery is not None else None,
                "parcel": delivery.parcel if delivery is not None else None,
                "attempt": attempt,
                "answer": answer,
                "now_ms": self.now_ms,
                "cause": {
                    "kind": self.cause.kind,
                    "topic": self.cause.topic,
                    "offset": self.cause.offset,
                },
            }
        )
        row.decisions = [*row.decisions, Decision(decision_id, key, value, letter)]
        self.said += 1

    def has_incidents(self, channel: str) -> bool:
        """Whether a channel's receiver keeps incidents."""
        known = self.channels.by_name.get(channel)
        return known is not None and traits(known).has_incidents
