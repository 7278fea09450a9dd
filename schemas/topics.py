"""List the topics, what each is for and how Kafka keeps it."""

from typing import Literal, NamedTuple

from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS

#: A row with overflow's members, or with many sources, is larger than Kafka's default of 1 MiB.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
LARGE = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}

#: Partitions of the measuring plane, unless the operator says otherwise: it has many divisors.
DEFAULT_PARTITIONS = 24


class Topic(NamedTuple):
    """A topic's promise to those who read or write it. The full name has the prefix in front."""

    name: str
    key: str
    partitions: Literal["plane", "any", "analyses", "one"]
    """`plane`: the measuring plane's number, which the operator chooses; `any`: made with that
    number, and may have another; `analyses`: as many as `analyses`; `one`: always one."""
    config: dict[str, str]
    about: str

    def count(self, plane_partitions: int) -> int:
        """Return how many partitions it has, by those of the measuring plane."""
        return 1 if self.partitions == "one" else plane_partitions


def _retained(days: int, **more: str) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)} | more


OPERATIONS = Topic(
    "operations",
    "the producer's choice",
    "any",
    _retained(
        7,
        **{
            # With LogAppendTime, imported history would look as if it happened now.
            "message.timestamp.type": "CreateTime",
            # The broker refuses what is far ahead of its clock (Kafka 3.6 and later).
            "message.timestamp.after.max.ms": str(5 * MINUTE_MS),
        },
    ),
    "One operation's outcome a record, or a JSON array of them.",
)
PARTIALS = Topic(
    "partials",
    "the source partition",
    "plane",
    _retained(7, **LARGE),
    "Internal: what ingest has folded of each source partition's open block.",
)
AGGREGATES = Topic(
    "aggregates",
    "series, window size, window start",
    "plane",
    {
        "cleanup.policy": "compact,delete",
        "retention.ms": str(7 * DAY_MS),
        # A former owner may write late: readers must still find the larger revision before it.
        "min.compaction.lag.ms": str(HOUR_MS),
    }
    | LARGE,
    "A window's revision: of two with one key the larger revision stands.",
)
HEARTBEATS = Topic(
    "heartbeats",
    "the service",
    "any",
    # The broker says when a beat came: by a service's own clock it may have come long ago.
    _retained(1, **{"message.timestamp.type": "LogAppendTime"}),
    "A service says up, degraded or down, and how often it will say so.",
)
BEATS = Topic(
    "beats",
    "the service",
    "plane",
    _retained(1, **LARGE),
    "Internal: heartbeats on their way to the partition of their service.",
)
ANALYSES = Topic(
    "analyses",
    "hash of the input",
    "any",
    _retained(7, **{"message.timestamp.type": "CreateTime"}, **LARGE),
    "An analysis with its input and result, to be scored.",
)
LABELS = Topic(
    "labels",
    "analysis id or input hash",
    "analyses",
    _retained(30),
    "What was true of an analysis after all; late, repeated, corrected.",
)
QUALITY_SCORES = Topic(
    "quality-scores",
    "analysis id",
    "analyses",
    {"cleanup.policy": "compact,delete", "retention.ms": str(7 * DAY_MS)} | LARGE,
    "The score of an analysis: of two with one key the later stands.",
)
SCORED_ANALYSES = Topic(
    "scored-analyses",
    "analysis id",
    "analyses",
    {"cleanup.policy": "compact,delete", "retention.ms": str(7 * DAY_MS)} | LARGE,
    "An analysis and its score together.",
)
QUALITY_PARTIALS = Topic(
    "quality-partials",
    "the source partition",
    "plane",
    _retained(7, **LARGE),
    "Internal: what the quality role has folded of each source partition's open block.",
)
CALIBRATION = Topic(
    "calibration",
    "analysis id, input hash or series",
    "analyses",
    _retained(7, **LARGE),
    "Internal: scored analyses and labels on their way to each other, and the sums of both.",
)
REMEDIATIONS = Topic(
    "remediations",
    "the service",
    "one",
    _retained(7),
    "A request to remedy a bad analysis, for whoever can.",
)
BREACHES = Topic(
    "breaches",
    "fingerprint of rule and series",
    "one",
    _retained(30),
    "A rule opened, updated or resolved, with the evidence.",
)
COMMANDS = Topic(
    "commands",
    "alert or silence id",
    "one",
    _retained(30),
    "Acknowledge, silence, end a silence, redrive, test a channel.",
)
NOTIFICATIONS = Topic(
    "notifications",
    "fingerprint",
    "one",
    _retained(30),
    "The decision log: each send, failure, hold and suppression, with its reason.",
)
DEAD_LETTERS = Topic(
    "dead-letters",
    "topic/partition/offset/index",
    "one",
    _retained(30),
    "The original bytes of what was refused; why and where from stand in the headers.",
)

TOPICS = (
    OPERATIONS,
    HEARTBEATS,
    ANALYSES,
    LABELS,
    PARTIALS,
    BEATS,
    QUALITY_PARTIALS,
    CALIBRATION,
    AGGREGATES,
    QUALITY_SCORES,
    SCORED_ANALYSES,
    REMEDIATIONS,
    BREACHES,
    COMMANDS,
    NOTIFICATIONS,
    DEAD_LETTERS,
)
