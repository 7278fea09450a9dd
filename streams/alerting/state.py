"""Keep everything about one alert in one table row: what it is, who was told, what is owed.

A row's key is the alert's fingerprint; silences, commands that belong to no alert and channels
have rows of their own in the same table, under a key with a prefix that no fingerprint has:

    <fingerprint>     Row       an alert
    silence/<id>      Row       `silence` is set, `newest` is empty
    command/<id>      Row       a refused command, or a test message, until that is done
    channel/<name>    Row       `circuit` is set

New fields go to the end, with a default: old rows are then read as well.
"""

from hashlib import blake2b
from typing import Literal

import msgspec

from schemas.notifications import Event, Reason
from schemas.rules import Severity

State = Literal["firing", "acknowledged", "resolved"]

SILENCE = "silence/"
COMMAND = "command/"
CHANNEL = "channel/"
OTHERS = (SILENCE, COMMAND, CHANNEL)
"""What no alert's row begins with."""


class Claim(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An attempt that has begun; until the lease is over nobody else may try."""

    generation: str
    """Names the process that tries."""
    attempt: int
    lease_until_ms: int


class Delivery(msgspec.Struct, array_like=True, gc=False):
    """A message that one channel is owed, or was.

    Several with the same `parcel` go in one message. Its head alone carries attempts, claim and
    times for all of them.
    """

    id: str
    channel: str
    event: Event
    level: int
    breach_id: str
    text: str
    """Names the breach as it was when this was decided, in Row.texts."""
    severity: Severity
    incident: str
    """What a resolve must name again: PagerDuty's dedup_key."""
    created_ms: int
    not_before_ms: int
    deadline_ms: int
    parcel: str
    """The message it goes in: its own id, unless it shares one."""
    head: bool
    attempts: int = 0
    claim: Claim | None = None
    ambiguous: bool = False
    """Whether some attempt may have got through unheard."""
    outcome: Literal["", "sent", "gave_up", "cancelled"] = ""
    finished_ms: int = 0
    after: str = ""
    """A delivery in flight that is waited for."""
    opening_untold: bool = False
    """Whether this resolve tells of the opening too."""
    family: str = ""
    """As what it counts for grouping and storms; empty: not, it stands for one that did."""
    storm: bool = False
    asked: list[str] = []
    """The channels that could not be reached before this one."""
    answer: str = ""
    """What the receiver said last."""
    by: str = ""
    """Who acknowledged, redrove or asked for a test."""

    @property
    def owed(self) -> bool:
        """Whether it is still to be told."""
        return not self.outcome


class Told(msgspec.Struct, array_like=True, gc=False):
    """What a channel was told, or may have been, of one episode at one level."""

    channel: str
    breach_id: str
    level: int
    severity: Severity
    event: Event
    incident: str
    delivery: str
    state: Literal["owed", "maybe", "sent", "failed"]
    """Confirmed only if `sent`; `maybe`: nobody knows; `failed`: certainly not."""
    at_ms: int
    resolve: str = ""
    """The delivery that tells the resolution; "-" if there is to be none."""
    heard: Literal["", Severity] = ""
    """The severity in the last message that got through; empty if none did."""


class Mark(msgspec.Struct, array_like=True, gc=False):
    """A cooldown: what this channel was told holds openings of this severity or a lower one."""

    channel: str
    severity: Severity
    breach_id: str
    """The episode that set it."""
    until_ms: int


class Hold(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is not told now and is decided again."""

    event: Event
    channel: str
    """Empty: all that it is routed to."""
    level: int
    reason: Reason
    until_ms: int | None
    """None: when `by` ends, or a breach says more."""
    by: str = ""
    """The row of the silence or of the alert that holds it."""


class Decision(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A record for `notifications` that is not known to be published."""

    id: str
    key: str
    """The record's key: the alert's fingerprint."""
    value: bytes
    """A Notification as JSON, the same bytes each time."""
    letter: bytes = b""
    """Of a delivery that was given up: its dead letter."""


class Silenced(msgspec.Struct, array_like=True, gc=False):
    """A silence: the command that asked for it, and until when it stands."""

    command: bytes
    """A schemas.commands.Silence as JSON."""
    start_ms: int
    end_ms: int
    """Earlier than the command's if it was ended."""
    ended_by: str = ""


class Circuit(msgspec.Struct, array_like=True, gc=False):
    """A channel's failures in a row, and until when it is left alone."""

    failures: int = 0
    open_until_ms: int = 0
    gone: bool = False
    """Whether it asked to be sent nothing more: left alone until a test gets through."""


class Row(msgspec.Struct, array_like=True, gc=False):
    """An alert, a silence, a command or a channel."""

    version: int = 0
    """Only grows: of two rows the higher one stands. Stands first, so that it is read alone."""
    key: str = ""
    state: State = "resolved"
    newest: str = ""
    """Names the newest breach in `texts`."""
    texts: dict[str, bytes] = {}
    """Breaches as JSON, by "id/revision"."""
    revisions: dict[str, int] = {}
    """The newest revision of each episode that is still spoken of, and of the last ones."""
    breach_offset: int = -1
    command_offset: int = -1
    decided: int = 0
    """How many decisions there were."""
    decisions: list[Decision] = []
    since_ms: int = 0
    """The clock when this state began."""
    firing_ms: int = 0
    """The clock when this episode was first heard of: escalation counts from here."""
    escalated: int = 0
    """How many escalation steps are decided."""
    told: list[Told] = []
    marks: list[Mark] = []
    holds: list[Hold] = []
    deliveries: list[Delivery] = []
    acknowledged_by: str = ""
    command_ids: list[str] = []
    """Commands taken in: a repeat does nothing."""
    silence: Silenced | None = None
    circuit: Circuit | None = None
    hid: bool = False
    """Whether it hid others when it last fired: its service was down."""
    ended_by_us: str = ""
    """The last episode that a change of the rule file ended: its cooldown holds nothing."""
    not_judged_ms: int = 0
    """When people were last told that this episode is no longer judged."""
    awaits_judgement: bool = False
    """Whether that is the last they were told of it."""

    def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery by its id."""
        for one in self.deliveries:
            if one.id == delivery_id:
                return one
        return None


class _Head(msgspec.Struct, array_like=True, gc=False):
    version: int


_decode = msgspec.msgpack.Decoder(Row).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode
_encode = msgspec.msgpack.Encoder().encode


def pack_row(row: Row) -> bytes:
    """Return the row as bytes for the table."""
    return _encode(row)


def unpack_row(packed: bytes) -> Row:
    """Return the row that pack_row was given."""
    return _decode(packed)


def version_of(packed: bytes) -> int:
    """Return a packed row's version: it only grows, so of two rows the higher one stands."""
    return _decode_head(packed).version


_BYTES = 12


def digest(*parts: str) -> str:
    """Return 24 hexadecimal digits that stand for the parts."""
    return blake2b("\x1f".join(parts).encode(), digest_size=_BYTES).hexdigest()
