"""Define what the `alerts` table keeps: the state of an alert, a silence, a command or a channel.

key               state
<fingerprint>     AlertState
silence/<id>      SilenceState
command/<id>      CommandState    a refused command, or a test message until it is done
channel/<name>    ChannelState
"""

from hashlib import blake2b
from typing import Literal

import msgspec

from schemas.breaches import Breach
from schemas.notifications import Event, Reason
from schemas.rules import SEVERITIES, Severity

Phase = Literal["firing", "acknowledged", "resolved"]

SILENCE = "silence/"
COMMAND = "command/"
CHANNEL = "channel/"

OPENINGS: tuple[Event, ...] = ("opened", "escalated")
PAGES: tuple[Event, ...] = (*OPENINGS, "severity_raised")
"""What asks for somebody's attention."""

RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(SEVERITIES)}
"""Of two severities the higher one is worse."""

_DIGEST_BYTES = 12


class Lease(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An attempt that has begun; until the lease ends nobody else may try."""

    generation: str
    """Names the process that tries."""
    attempt: int
    until_ms: int


class Delivery(msgspec.Struct, array_like=True, gc=False):
    """A notification that is to be sent to one channel, or was.

    Several with the same `batch` go in one message. The batch's head alone carries attempts, lease
    and times for all of them.
    """

    id: str
    channel: str
    event: Event
    level: int
    breach_id: str
    breach_key: str
    """Names the breach as it was when this was decided, in Subject.breaches."""
    severity: Severity
    incident: str
    """What a resolve must name again: PagerDuty's dedup_key."""
    created_ms: int
    not_before_ms: int
    deadline_ms: int
    batch: str
    """The message it goes in: its own id, unless it shares one."""
    head: bool
    attempts: int = 0
    lease: Lease | None = None
    ambiguous: bool = False
    """Whether an attempt may have reached the receiver although no response came."""
    outcome: Literal["", "sent", "gave_up", "cancelled"] = ""
    finished_ms: int = 0
    waits_for: str = ""
    """A delivery in flight whose response is awaited first."""
    with_opening: bool = False
    """Whether this resolve reports the opening too."""
    group_key: str = ""
    """Grouping key; empty when it replaces a delivery that was already counted."""
    storm: bool = False
    tried: list[str] = []
    """The channels that could not be reached before this one."""
    answer: str = ""
    """The receiver's last answer."""
    by: str = ""
    """Who acknowledged, redrove or asked for a test."""

    @property
    def pending(self) -> bool:
        """Whether it is still to be sent."""
        return not self.outcome


class Recipient(msgspec.Struct, array_like=True, gc=False):
    """What a channel has received, or may have, of one episode at one level."""

    channel: str
    breach_id: str
    level: int
    severity: Severity
    event: Event
    incident: str
    delivery: str
    state: Literal["pending", "unknown", "sent", "failed"]
    """Confirmed only if `sent`; `unknown`: no response, and not tried again; `failed`: not sent."""
    at_ms: int
    resolve: str = ""
    """The delivery that reports the end; "-" if there is to be none."""
    sent_severity: Literal["", Severity] = ""
    """The severity in the last message that was delivered; empty if none was."""


class Cooldown(msgspec.Struct, array_like=True, gc=False):
    """Suppresses openings of this severity or a lower one on a channel, until a time."""

    channel: str
    severity: Severity
    breach_id: str
    """The episode that set it."""
    until_ms: int


class Suppressed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A suppressed notification, to be evaluated again."""

    event: Event
    channel: str
    """Empty: all channels of the route."""
    level: int
    reason: Reason
    until_ms: int | None
    """None: when `by` ends, or with another breach or rule file."""
    by: str = ""
    """The key of the silence or alert that suppresses it."""


class UnpublishedDecision(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record for `notifications` that is not known to be published."""

    id: str
    key: str
    """The record's key: the alert's fingerprint."""
    value: bytes
    """A schemas.notifications.Notification as JSON, the same bytes each time."""
    dead_letter: bytes = b""
    """The dead letter of a delivery that failed for good."""


class Circuit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A channel's failures in a row, and until when nothing is sent to it."""

    failures: int = 0
    open_until_ms: int = 0
    gone: bool = False
    """Whether it answered 410 Gone: nothing is sent until a test is delivered."""


class TableState(msgspec.Struct, array_like=True, gc=False):
    """What every row of the table has."""

    version: int = 0
    """Only grows: of two rows the higher one stands. Comes first, so that it is read alone."""
    key: str = ""
    decided: int = 0
    """How many decisions there were."""
    unpublished: list[UnpublishedDecision] = []
    command_offset: int = -1
    command_ids: list[str] = []
    """The last commands that were applied: a repeat does nothing."""
    since_ms: int = 0
    """The clock when its phase began."""


class Subject(TableState):
    """What deliveries are about: an alert, or the test of a channel."""

    newest: str = ""
    """Names the newest breach in `breaches`."""
    breaches: dict[str, bytes] = {}
    """Breaches as JSON, by breach_key."""
    recipients: list[Recipient] = []
    cooldowns: list[Cooldown] = []
    suppressed: list[Suppressed] = []
    deliveries: list[Delivery] = []

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery by its id."""
        for delivery in self.deliveries:
            if delivery.id == delivery_id:
                return delivery
        return None


class AlertState(Subject, tag="alert"):
    """An alert: its newest episode, who has received what, and what is still to be sent."""

    phase: Phase = "resolved"
    revisions: dict[str, int] = {}
    """The newest revision of each episode that somebody was notified of, and of the last ones."""
    breach_offset: int = -1
    firing_ms: int = 0
    """The clock when this episode was first read: escalation counts from here."""
    escalated: int = 0
    """How many escalation steps are decided."""
    acknowledged_by: str = ""
    inhibited_others: bool = False
    """Whether it inhibited others when it last fired: its service was down."""
    ended_by_us: str = ""
    """The last episode that a change of the rule file ended: its cooldown suppresses nothing."""
    not_judged_ms: int = 0
    """When people were last notified that this episode is no longer judged."""
    awaits_judgement: bool = False
    """Whether that is the last they were notified of."""

    def fires(self, breach_id: str) -> bool:
        """Whether an episode is the newest one, and is not resolved."""
        return self.phase != "resolved" and self.newest.rpartition("/")[0] == breach_id

    def recipient(self, channel: str, breach_id: str, level: int | None) -> Recipient | None:
        """Return what a channel has received of an episode, at a level or at the last one."""
        found = [
            recipient
            for recipient in self.recipients
            if (recipient.channel, recipient.breach_id) == (channel, breach_id)
            and recipient.state != "failed"
            and not recipient.resolve
            and level in (None, recipient.level)
        ]
        return max(found, key=lambda recipient: recipient.level, default=None)

    def is_lost(self, recipient: Recipient) -> bool:
        """Whether it is unknown what a channel received, and it is not tried any more."""
        delivery = self.delivery(recipient.delivery)
        ended = delivery is None or delivery.outcome == "cancelled"
        return recipient.state == "unknown" and ended


class SilenceState(TableState, tag="silence"):
    """A silence, or one that was refused."""

    command: bytes = b""
    """A schemas.commands.Silence as JSON; empty if it was refused."""
    start_ms: int = 0
    end_ms: int = 0
    """Earlier than the command's if it was ended."""
    ended_by: str = ""


class CommandState(Subject, tag="command"):
    """A command that is about no alert and no silence: it was refused, or tests a channel."""


class ChannelState(TableState, tag="channel"):
    """A channel."""

    circuit: Circuit = Circuit()


State = AlertState | SilenceState | CommandState | ChannelState


class _Head(msgspec.Struct, array_like=True, gc=False):
    tag: str
    version: int


_decoder: msgspec.msgpack.Decoder[State] = msgspec.msgpack.Decoder(State)
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_state(state: State) -> bytes:
    """Return the state as bytes for the table."""
    return _encode(state)


def unpack_state(packed: bytes) -> State:
    """Return the state that pack_state got."""
    return _decoder.decode(packed)


def version_of(packed: bytes) -> int:
    """Return a packed state's version: it only grows, so of two rows the higher one stands."""
    return _decode_head(packed).version


def breach_key(breach: Breach) -> str:
    """Return the name under which a state keeps a breach."""
    return f"{breach.id}/{breach.revision}"


def digest(*parts: str) -> str:
    """Return 24 hexadecimal digits that stand for the parts."""
    return blake2b("\x1f".join(parts).encode(), digest_size=_DIGEST_BYTES).hexdigest()
