"""Apply one input to the states: (state, input, now) -> (state, decisions)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import orjson

from schemas.breaches import Breach
from schemas.notifications import Cause, Event, GaveUp, Reason
from schemas.rules import Severity
from streams.alerting.batches import Member
from streams.alerting.inputs import Channels, why_gone
from streams.alerting.state import (
    AlertState,
    Delivery,
    Subject,
    Suppressed,
    TableState,
    UnpublishedDecision,
    digest,
)
from streams.alerting.table import Table
from streams.channels.registry import traits

_encode = msgspec.json.Encoder().encode


class Decision(NamedTuple):
    """To send, suppress or drop a notification, or what came of it; and why."""

    reason: Reason
    sentence: str
    breach: Breach | None
    breach_id: str | None
    severity: Severity | None
    channel: str | None = None
    event: Event | None = None
    until_ms: int | None = None
    delivery: str | None = None
    batch: str | None = None
    attempt: int | None = None
    answer: str | None = None
    gave_up: GaveUp | None = None
    dead_letter: bytes = b""


class Candidate(NamedTuple):
    """A notification that is to be decided on."""

    breach: Breach
    channel: str
    """Empty: all channels of the route, before each is decided on."""
    event: Event
    level: int = 0
    """The escalation step, 0 for the opening."""
    incident: str = ""
    """Empty: its own, or that of the batch it shares."""
    tried: tuple[str, ...] = ()
    """The channels that could not be reached before."""
    with_opening: bool = False
    waits_for: str = ""
    by: str = ""
    delivery: Delivery | None = None
    """Before an attempt: the delivery that is evaluated again."""

    def suppressed(self, reason: Reason, until_ms: int | None, by: str = "") -> Suppressed:
        """Return it as a notification that is suppressed."""
        event = "opened" if self.event == "severity_raised" else self.event
        return Suppressed(event, self.channel, self.level, reason, until_ms, by)


class Send(NamedTuple):
    """Nothing forbids it."""


class Suppress(NamedTuple):
    """Not now: it is evaluated again."""

    suppressed: Suppressed
    sentence: str

    @property
    def reason(self) -> Reason:
        """The reason, as that of a Drop."""
        return self.suppressed.reason


class Drop(NamedTuple):
    """Not at all."""

    reason: Reason
    sentence: str
    fallback: str = ""
    """The channel that is notified instead."""
    event: Event | None = None
    """What the channel has received, if that is another event."""


Verdict = Send | Suppress | Drop
SEND = Send()


@dataclass(kw_only=True)
class Transition:
    """One input being applied; what decides reads the states and the clock here."""

    table: Table
    channels: Channels
    now_ms: int
    cause: Cause
    decisions: list[Decision] = field(default_factory=list)
    """All that the states have recorded."""

    def settle(self, state: TableState, decisions: Iterable[Decision] = ()) -> None:
        """Record what was decided about a state, and end its change."""
        for decision in decisions:
            state.decided += 1
            state.unpublished = [*state.unpublished, self._encoded(state, decision)]
            self.decisions.append(decision)
        self.table.settle(state)

    def settle_each(
        self,
        members: Iterable[Member],
        decide: Callable[[Subject, Delivery], list[Decision] | None],
    ) -> None:
        """Decide about each delivery of a batch, and settle its state; None changes nothing."""
        for member in members:
            subject, delivery = self.table.batches.member(member)
            decisions = decide(subject, delivery)
            if decisions is not None:
                self.settle(subject, decisions)

    def decision(
        self,
        subject: TableState,
        reason: Reason,
        sentence: str,
        *,
        breach: Breach | None = None,
        channel: str | None = None,
        event: Event | None = None,
        until_ms: int | None = None,
    ) -> Decision:
        """Return a decision about a breach: by default the newest of its subject."""
        if breach is None and isinstance(subject, Subject) and subject.newest:
            breach = self.table.newest(subject)
        breach_id = breach.id if breach is not None else None
        severity = breach.severity if breach is not None else None
        return Decision(
            reason, sentence, breach, breach_id, severity, channel or None, event, until_ms
        )

    def about(
        self,
        subject: Subject,
        delivery: Delivery,
        reason: Reason,
        sentence: str,
        *,
        breach: Breach | None = None,
        until_ms: int | None = None,
        attempt: int | None = None,
        answer: str = "",
        gave_up: GaveUp | None = None,
    ) -> Decision:
        """Return a decision about a delivery, as it is now."""
        return Decision(
            reason,
            sentence,
            breach or self.table.newest(subject),
            delivery.breach_id,
            delivery.severity,
            delivery.channel,
            delivery.event,
            until_ms,
            delivery.id,
            delivery.batch,
            attempt,
            answer or None,
            gave_up,
            _dead_letter(subject, delivery) if gave_up is not None else b"",
        )

    def has_incidents(self, channel: str) -> bool:
        """Whether a channel's receiver keeps incidents."""
        configured = self.channels.by_name.get(channel)
        return configured is not None and traits(configured).has_incidents

    def refusal(self, name: str, severity: Severity) -> Drop | None:
        """Return why a channel takes nothing of a severity, None if it does."""
        channel = self.channels.by_name.get(name)
        if channel is None:
            return Drop("unknown_channel", f"There is no channel {name} in the rule file.")
        if not channel.enabled:
            return Drop("channel_disabled", f"The channel {name} is disabled in the rule file.")
        if severity not in channel.severities:
            wanted = ", ".join(channel.severities) or "nothing"
            return Drop("below_severity", f"{name} takes {wanted}, and this is {severity}.")
        if name in self.channels.missing:
            why = f"Undeliverable to {name}: {self.channels.missing[name]}"
            return Drop("undeliverable", why, channel.fallback or "")
        if self.table.circuit(name).gone:
            return Drop("undeliverable", f"Undeliverable: {why_gone(name)}", channel.fallback or "")
        return None

    def _encoded(self, state: TableState, decision: Decision) -> UnpublishedDecision:
        """Return a decision as a schemas.notifications.Notification."""
        breach = decision.breach
        key = breach.fingerprint if breach is not None else state.key
        moment = (str(state.decided), str(self.now_ms), decision.reason)
        decision_id = digest("decision", state.key, decision.breach_id or "", *moment)
        # Not by the schema: to make one and dump it takes ten times as long; a test compares them.
        # Not by orjson: its buffers leave a storm's memory in pieces.
        value = _encode(
            {
                "version": 1,
                "id": decision_id,
                "fingerprint": key,
                "breach_id": decision.breach_id,
                "rule": breach.rule if breach is not None else None,
                "series": breach.series if breach is not None else None,
                "severity": decision.severity,
                "channel": decision.channel,
                "event": decision.event,
                "reason": decision.reason,
                "sentence": decision.sentence,
                "until_ms": decision.until_ms,
                "delivery": decision.delivery,
                "parcel": decision.batch,
                "attempt": decision.attempt,
                "answer": decision.answer,
                "gave_up": decision.gave_up,
                "now_ms": self.now_ms,
                "cause": {
                    "kind": self.cause.kind,
                    "topic": self.cause.topic,
                    "offset": self.cause.offset,
                },
            }
        )
        return UnpublishedDecision(decision_id, key, value, decision.dead_letter)


def _dead_letter(subject: Subject, delivery: Delivery) -> bytes:
    """Return a dead letter: which delivery, what came of it, and the breach it was about."""
    return orjson.dumps(
        {
            "delivery": delivery.id,
            "channel": delivery.channel,
            "event": delivery.event,
            "attempts": delivery.attempts,
            "ambiguous": delivery.ambiguous,
            "answer": delivery.answer,
            "breach": orjson.Fragment(subject.breaches[delivery.breach_key]),
        }
    )


Stage = Callable[[AlertState, Candidate, Transition], Verdict]
"""Pure: it changes nothing."""
