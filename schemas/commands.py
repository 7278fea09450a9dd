"""Describe what people ask of the alert role on `commands`."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from schemas import schedules
from schemas.base import Int64, Wire

#: Ids of ours are 12 to 40 characters long; a name of a channel has at most 100.
Name = Annotated[str, Field(max_length=500)]


class _Command(Wire):
    version: Literal[1] = 1
    id: Name = Field(description="Names this command; a repeat of it does nothing.")
    by: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Who asks.")
    at_ms: Int64 = Field(description="When, epoch milliseconds UTC.")
    comment: Annotated[str, Field(max_length=1000)] = ""


class Acknowledge(_Command):
    """Somebody works on it: no more escalation, nobody else is notified."""

    kind: Literal["acknowledge"] = "acknowledge"
    fingerprint: Name
    breach_id: Name = Field(description="The episode: an old one cannot mute a new one.")


class Matcher(Wire):
    """A label is, or is not, a value or a pattern."""

    label: str
    operator: Literal["=", "!=", "=~", "!~"] = "="
    value: str


class Silence(_Command):
    """Tell nobody of what matches from start to end; the id is the silence's."""

    kind: Literal["silence"] = "silence"
    matchers: Annotated[list[Matcher], Field(min_length=1)]
    start_ms: Int64
    end_ms: Int64
    every: Annotated[str, Field(max_length=500)] | None = Field(
        None,
        description="In force only then: every sat 02:00-04:00 Europe/Berlin; by default always.",
    )

    def until_ms(self, at_ms: int, end_ms: int) -> int | None:
        """Return until when it is in force at a time; None if it is not.

        Args:
            at_ms: the time.
            end_ms: its end, earlier than its own if somebody ended it.
        """
        if not self.start_ms <= at_ms < end_ms:
            return None
        if self.every is None:
            return end_ms
        until_ms = schedules.in_force_until_ms(self.every, at_ms)
        return None if until_ms is None else min(until_ms, end_ms)


class EndSilence(_Command):
    """End a silence before its time."""

    kind: Literal["end_silence"] = "end_silence"
    silence: Name


class Redrive(_Command):
    """Try a delivery that was given up once more."""

    kind: Literal["redrive"] = "redrive"
    delivery: Name


class TestChannel(_Command):
    """Send a test message to a channel."""

    kind: Literal["test_channel"] = "test_channel"
    channel: Name


Command = Annotated[
    Acknowledge | Silence | EndSilence | Redrive | TestChannel, Field(discriminator="kind")
]


class CommandRecord(RootModel[Command]):
    """A record on `commands`."""
