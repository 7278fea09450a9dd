"""Describe a decision on `notifications`: whether a channel is notified, and why."""

from typing import Literal

from pydantic import ConfigDict, Field

from schemas.base import Wire
from schemas.rules import Severity

#: Nothing is sent, or nothing yet. With a `delivery`: that one is not sent any more.
NotSentReason = Literal[
    "gave_up",  # past the deadline, or refused for good: a dead letter too
    "cancelled",  # no longer needed: resolved before anything was sent
    "cooldown",
    "silenced",
    "muted",  # by a time interval of the rule file
    "below_severity",
    "channel_disabled",
    "unknown_channel",
    "undeliverable",
    "grouped",
    "inhibited",
    "acknowledged",
    "storm",
    "summarised",  # a text message counts it and names another
    "stale",
    "not_told",  # a resolve for a channel that never got the opening
    "no_channel",
]
Reason = Literal[
    "due",  # a delivery is to be sent from now on
    "attempted",  # a request begins: its lease
    "sent",  # the receiver accepted it
    "retry",  # it did not, and there is another attempt
    "fallback",  # another channel is notified instead
    NotSentReason,
    "updated",  # the breach changed and nobody needs to hear of it
    "duplicate",  # the same breach revision or command again
    "command_done",
    "command_refused",
]
GaveUp = Literal[
    "deadline",  # not delivered until its deadline
    "refused",  # the receiver refused it for good
    "channel_gone",  # the receiver asked to be sent nothing more
    "channel_disabled",  # in the rule file, since it was decided
]
Event = Literal[
    "opened",
    "severity_raised",
    "not_judged",  # no operations any more: neither firing for sure nor well again
    "judged_again",
    "acknowledged",  # sent to PagerDuty only
    "resolved",
    "escalated",
    "summary",
    "test",
]


class Cause(Wire):
    """What was decided upon: a record's place, or a tick of the clock."""

    kind: Literal["breach", "command", "tick", "delivery"]
    topic: str | None = None
    offset: int | None = None


class Notification(Wire):
    """A decision about one alert and, where it is about one, a channel."""

    model_config = ConfigDict(serialize_by_alias=True)

    version: Literal[1] = 1
    id: str = Field(description="Names the decision: a repeat has the same.")
    fingerprint: str = Field(description="The alert: the record's key.")
    breach_id: str | None
    rule: str | None
    series: str | None
    severity: Severity | None
    channel: str | None = Field(description="null where it is about none or all.")
    event: Event | None = Field(description="What the notification is about.")
    reason: Reason
    sentence: str = Field(description="The reason for people.")
    until_ms: int | None = Field(None, description="When it is decided again, if it is.")
    delivery: str | None = Field(None, description="The delivery it is about.")
    batch: str | None = Field(
        None,
        alias="parcel",
        description="The message it goes in: the delivery's own id unless it shares one.",
    )
    attempt: int | None = None
    answer: str | None = Field(None, description="The receiver's answer, without secrets.")
    gave_up: GaveUp | None = Field(None, description="Why a delivery was given up.")
    now_ms: int = Field(description="The clock it was decided by, epoch milliseconds UTC.")
    cause: Cause
