"""Define what the table holds of a series: windows still needed, and where each rule stands.

Of two states of a series the one with the higher version counts; it only grows.
"""

import msgspec

from streams.rules.firing import IDLE, FiringState

#: A key with this prefix holds what a partition knows besides its series, see PartitionProgress.
PARTITION_PREFIX = b"~state/"
#: A key with this prefix holds the rule file in effect, see RulesInEffect.
RULES_PREFIX = b"~rules/"


#: In the evidence of a trend, or of a change: 1 where it would compare what was configured anew.
CHANGED = "changed_configuration"


class StoredWindow(msgspec.Struct, array_like=True, gc=False):
    """A window, as far as rules look at it."""

    revision: int
    final: bool
    sums: tuple[int, ...]
    """See streams.rules.window_sums.Sums."""
    digest: bytes = b""
    """Packed, or JSON as it came; empty where no rule asks for a percentile."""
    exemplars: bytes = b""
    """JSON, of the newest minutes."""
    status: str = ""
    """A service's: up, degraded, down, silent or unknown."""
    quantiles: dict[float, float] = {}
    """An hour's durations (ms) by rank, where a rule compares hours."""
    slow: dict[float, int] = {}
    """How many operations took a bound (ms) or longer, where a rule has one."""
    failures_by_type: bytes = b""
    """JSON, of the newest minutes: failures by type, or bad results by finding."""
    actions: bytes = b""
    """JSON, of the newest minutes: bad results by recommended action."""
    configurations: tuple[str, ...] = ()
    """Of scores: what they were made by."""


class StoredTrend(msgspec.Struct, array_like=True, gc=False):
    """A final window's trend."""

    end: int
    """The minute it ends before."""
    verdict: str
    evidence: dict[str, float | None]
    """With CHANGED where the configuration of scores changed."""


class OpenBreach(msgspec.Struct, array_like=True):
    """What was published of a breach since it opened."""

    id: str
    revision: int
    severity: int
    since: int
    """The first violating minute."""
    opened: int
    """The minute in which it opened."""
    live: int
    """The newest minute that was found in violation."""
    reported: int
    """The minute of the last record."""
    confirmed: bool
    stale: bool
    last: bytes
    """The last record: what is published when its rule is gone rests on it."""
    judged: bool = True
    """Whether there were operations lately to judge it by."""


class RuleState(msgspec.Struct, array_like=True):
    """Where a rule stands with a series."""

    condition: str
    """A hash of what decides: by another one what is not open begins anew."""
    appearance: str
    """A hash of what its breaches show and of whom they are routed to."""
    measure: str
    """What it measures."""
    judged: int
    """The last minute, of those settled, that there was enough to judge by."""
    firing: FiringState = IDLE
    """Over minutes that are settled."""
    breach: OpenBreach | None = None
    last_named: int = 0
    """The latest minute that a breach was named after: …"""
    openings: int = 0
    """… one that is not later is named after how many there were, too."""
    results: dict[int, list[str]] = {}
    """By minute, the results that had a breach of their own."""


class SeriesState(msgspec.Struct, array_like=True):
    """What the rules of a partition know of one of its series."""

    generation: int
    """Of the rule file. First with the next three: the version."""
    offset: int
    """Of the last record that was evaluated."""
    settled: int
    """The last minute (since the epoch) that is judged for good."""
    published: int
    """How many breach records."""
    kind: str
    labels: dict[str, str]
    newest: int
    """The newest minute with a window."""
    last_active: int
    """The newest minute in which anything happened."""
    windows_since: int
    """The first minute from which on all windows are there, as far as any rule needed them."""
    durations_since: int
    """The same of their digests."""
    rules: dict[str, RuleState] = {}
    minutes: dict[int, StoredWindow] = {}
    fives: dict[int, StoredWindow] = {}
    hours: dict[int, StoredWindow] = {}
    trends: dict[str, list[StoredTrend]] = {}


class PartitionProgress(msgspec.Struct, array_like=True):
    """How far the partition of all its series is evaluated."""

    generation: int = 0
    offset: int = 0
    """Every series' state holds at least what came before it."""
    horizon: dict[str, int] = {}
    """By kind, the newest final minute: earlier ones without a window are empty for good."""
    quiet: dict[str, int] = {}
    """By kind, the minute up to which the clock says that nothing came."""


class RulesInEffect(msgspec.Struct, array_like=True, gc=False):
    """The rule file that a partition's series are judged by: it is not in the log."""

    generation: int
    hash: str
    text: str


class _SeriesVersion(msgspec.Struct, array_like=True, gc=False):
    generation: int
    offset: int
    settled: int
    published: int


_encode = msgspec.msgpack.Encoder().encode
_decode_series = msgspec.msgpack.Decoder(SeriesState).decode
_decode_partition = msgspec.msgpack.Decoder(PartitionProgress).decode
_decode_rules = msgspec.msgpack.Decoder(RulesInEffect).decode
_decode_version = msgspec.msgpack.Decoder(_SeriesVersion).decode


def pack(state: SeriesState | PartitionProgress | RulesInEffect) -> bytes:
    """Return a state as bytes for the table."""
    return _encode(state)


def unpack_series(packed: bytes) -> SeriesState:
    """Return the series' state that was packed."""
    return _decode_series(packed)


def unpack_partition(packed: bytes) -> PartitionProgress:
    """Return the partition's state that was packed."""
    return _decode_partition(packed)


def unpack_rules(packed: bytes) -> RulesInEffect:
    """Return the rule file that was packed."""
    return _decode_rules(packed)


def version_of(packed: bytes) -> tuple[int, ...]:
    """Return the version of what is packed: of two with one key the higher one counts."""
    try:
        version = _decode_version(packed)
    except msgspec.ValidationError:
        pass
    else:
        return (version.generation, version.offset, version.settled, version.published)
    try:
        partition = _decode_partition(packed)
    except msgspec.ValidationError:
        return (_decode_rules(packed).generation,)
    return (partition.generation, partition.offset, sum(partition.horizon.values()))


def settled_of(packed: bytes) -> int:
    """Return the last minute that a packed series has judged for good."""
    return _decode_version(packed).settled
