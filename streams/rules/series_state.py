"""Keep what rules know of one series in a table row: windows still needed, and each rule's state.

Of two rows of a series the one with the higher version stands; it only grows.
"""

import msgspec

from streams.rules.firing import IDLE, FiringState

#: A row with this prefix holds what a partition knows besides its series, see PartitionState.
STATE_PREFIX = b"~state/"
#: A row with this prefix holds the rule file in effect, see RulesInEffect.
IN_EFFECT_PREFIX = b"~rules/"


class StoredWindow(msgspec.Struct, array_like=True, gc=False):
    """A window."""

    revision: int
    final: bool
    sums: tuple[int, ...]
    """See streams.rules.sums.Sums."""
    digest: bytes = b""
    """Packed, or JSON as it came; empty where no rule asks for a percentile."""
    exemplars: bytes = b""
    """JSON, of the newest minutes."""
    status: str = ""
    """A service's: up, degraded, down, silent or unknown."""


class StoredTrend(msgspec.Struct, array_like=True, gc=False):
    """A final window's trend."""

    end: int
    """The minute it ends before."""
    verdict: str
    evidence: dict[str, float | None]


class OpenBreach(msgspec.Struct, array_like=True):
    """What was said of a rule's violation since it opened."""

    id: str
    revision: int
    severity: int
    since: int
    """The first violating minute."""
    opened: int
    """The minute in which it opened."""
    live: int
    """The newest minute by which it was said to be violated."""
    told: int
    """The minute of the last message."""
    confirmed: bool
    stale: bool
    last: bytes
    """The last message: what is said when its rule is gone rests on it."""
    judged: bool = True
    """Whether there were operations lately to judge it by."""


class RuleState(msgspec.Struct, array_like=True):
    """A rule's state."""

    condition: str
    """A hash of what decides: by another one what is not open begins anew."""
    fold: FiringState = IDLE
    """Over minutes that are settled."""
    episode: OpenBreach | None = None
    named: int = 0
    """The latest minute that an episode was named after: …"""
    opened: int = 0
    """… one that is not later is named after how many there were, too."""
    judged: int = 0
    """The last minute, of those settled, that there was enough to judge by."""
    appearance: str = ""
    """A hash of what its breaches show and of whom they are routed to."""
    measure: str = ""
    """What it measures."""


class SeriesState(msgspec.Struct, array_like=True):
    """A series."""

    generation: int
    """Of the rule file. Stands first with the next three: the version."""
    offset: int
    """The last record taken in."""
    settled: int
    """The last minute (since the epoch) that is judged for good."""
    said: int
    """How many messages."""
    kind: str
    labels: dict[str, str]
    newest: int
    """The newest minute with a window."""
    spoke: int
    """The newest minute in which it had anything to say."""
    minutes: dict[int, StoredWindow]
    fives: dict[int, StoredWindow]
    hours: dict[int, StoredWindow]
    trends: dict[str, list[StoredTrend]]
    rules: dict[str, RuleState]


class PartitionState(msgspec.Struct, array_like=True):
    """A partition: what all its rows together rest on."""

    generation: int = 0
    offset: int = 0
    """Every row holds at least what came before it."""
    horizon: dict[str, int] = {}
    """By kind, the newest final minute: earlier ones without a window are empty for good."""
    quiet: dict[str, int] = {}
    """By kind, the minute up to which the clock says that nothing came."""


class RulesInEffect(msgspec.Struct, array_like=True, gc=False):
    """The rule file that a partition's rows are judged by: it is not in the log."""

    generation: int
    hash: str
    text: str


class _Head(msgspec.Struct, array_like=True, gc=False):
    generation: int
    offset: int
    settled: int
    said: int


_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(SeriesState).decode
_decode_state = msgspec.msgpack.Decoder(PartitionState).decode
_decode_in_effect = msgspec.msgpack.Decoder(RulesInEffect).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode


def pack(row: SeriesState | PartitionState | RulesInEffect) -> bytes:
    """Return a row as bytes for the table."""
    return _encode(row)


def unpack_series(packed: bytes) -> SeriesState:
    """Return the series' row that pack was given."""
    return _decode_row(packed)


def unpack_partition(packed: bytes) -> PartitionState:
    """Return the partition's row that pack was given."""
    return _decode_state(packed)


def unpack_rules(packed: bytes) -> RulesInEffect:
    """Return the rule file that pack was given."""
    return _decode_in_effect(packed)


def version_of(packed: bytes) -> tuple[int, ...]:
    """Return a packed row's version: of two rows with one key the higher one stands."""
    try:
        head = _decode_head(packed)
    except msgspec.ValidationError:
        pass
    else:
        return (head.generation, head.offset, head.settled, head.said)
    try:
        state = _decode_state(packed)
    except msgspec.ValidationError:
        return (_decode_in_effect(packed).generation,)
    return (state.generation, state.offset, sum(state.horizon.values()))


def settled_of(packed: bytes) -> int:
    """Return the last minute that a series' packed row has judged for good."""
    return _decode_head(packed).settled
