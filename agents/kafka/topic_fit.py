"""Compare existing topics with their specifications; say what to do about each difference."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from agents.runtime.refusals import lacks

#: With another policy a topic loses rows, or grows for ever: a worker must not start.
_EXACT = ("cleanup.policy",)
#: With less, a recovery may take older rows: a worker must not start.
_AT_LEAST_STOPPING = ("min.compaction.lag.ms",)
#: Less is the operator's choice; `opwatch topics check` has a note.
_AT_LEAST_NOTED = ("retention.ms", "max.message.bytes")
_EXACT_NOTED = ("message.timestamp.type",)
#: With more, producers may send ahead of time (Kafka before 3.6 has no such setting), or a table is
#: restored from what a week has written.
_AT_MOST_NOTED = ("message.timestamp.after.max.ms", "segment.ms")


#: The advice where counting cannot continue under these names.
ANEW = (
    "Choose another OPWATCH_TOPIC_PREFIX; or end all workers, delete all topics of this one (what"
    " they hold is lost) and run `opwatch topics create`."
)


class TopicSpec(NamedTuple):
    """What a topic should be; with its full name."""

    name: str
    partitions: int
    config: Mapping[str, str]
    plane: bool = True
    """Whether its number of partitions is OPWATCH_PARTITIONS."""
    any_number: bool = False
    """Whether it may have any number of partitions."""
    like: str | None = None
    """The topic whose number of partitions it has, where that may have any."""
    needs: frozenset[str] = frozenset()
    """What the user must be allowed to do with it, such as READ."""


class ExistingTopic(NamedTuple):
    """What a topic is."""

    partitions: int
    config: Mapping[str, str] | None
    """None where the user has no right to read it."""
    id: str | None = None
    """Changes when a topic is deleted and made again; None if the broker sends none."""
    rights: frozenset[str] | None = None
    """What the user may do with it; None if the broker sends none."""
    leaderless: tuple[int, ...] = ()
    """Partitions without a leader: they can be neither read nor written."""


#: A topic that the user may not even ask about.
FORBIDDEN = ExistingTopic(0, None, rights=frozenset())


class Misfit(NamedTuple):
    """A difference, what to do about it, and whether a worker can run with it."""

    topic: str
    sentence: str
    stops: bool
    """Whether a worker must not start."""
    ends: bool = False
    """Whether a running worker must end."""


def judge(specs: Sequence[TopicSpec], existing: Mapping[str, ExistingTopic]) -> list[Misfit]:
    """Return every difference between the specifications and the existing topics."""
    misfits = []
    # Advice to set OPWATCH_PARTITIONS is right only where all of the plane have the same number.
    plane = {
        topic.partitions
        for spec in specs
        if spec.plane and (topic := existing.get(spec.name)) is not None and topic.partitions
    }
    for spec in specs:
        topic = existing.get(spec.name)
        if topic is None:
            sentence = f"{spec.name} does not exist: `opwatch topics create` makes it."
            misfits.append(Misfit(spec.name, sentence, stops=True))
            continue
        if topic.rights is not None and spec.needs - topic.rights:
            sentence = lacks(spec.needs - topic.rights, f"the topic {spec.name}")
            misfits.append(Misfit(spec.name, sentence, stops=True, ends=True))
        if not topic.partitions:
            continue
        if not spec.any_number and topic.partitions != wanted(spec, existing, topic.partitions):
            misfits.append(_partitions(spec, topic.partitions, plane, existing))
        if topic.config is None:
            lacking = lacks(["DESCRIBE_CONFIGS"], f"the topic {spec.name}")
            sentence = f"{lacking} Its configuration is not checked."
            misfits.append(Misfit(spec.name, sentence, stops=False))
        else:
            misfits.extend(_config(spec, topic.config))
    return misfits


def wanted(spec: TopicSpec, existing: Mapping[str, ExistingTopic], unknown: int) -> int:
    """Return how many partitions a topic should have; `unknown` where another's number says it."""
    if spec.like is None:
        return spec.partitions
    like = existing.get(spec.like)
    return like.partitions if like is not None and like.partitions else unknown


def remade(before: Mapping[str, str], existing: Mapping[str, ExistingTopic]) -> list[Misfit]:
    """Return the topics that have another id than before, or were deleted."""
    misfits = []
    for name, topic_id in before.items():
        topic = existing.get(name)
        if topic is None:
            what = "was deleted"
        elif topic.id is not None and topic.id != topic_id:
            what = "was deleted and made again"
        else:
            continue
        sentence = (
            f"{name} {what}: its offsets begin anew, so what it carries now would be taken for what"
            f" is known, and count nowhere. {ANEW}"
        )
        misfits.append(Misfit(name, sentence, stops=True, ends=True))
    return misfits


def leaderless(specs: Sequence[TopicSpec], existing: Mapping[str, ExistingTopic]) -> list[str]:
    """Return a sentence about each topic that has partitions without a leader."""
    return [
        f"{spec.name} has no leader for partition {', '.join(map(str, topic.leaderless))}: it can"
        " be neither read nor written until a broker that has it is back."
        for spec in specs
        if (topic := existing.get(spec.name)) is not None and topic.leaderless
    ]


def pinned(topic: str, partition: int, offset: int, since: str) -> str:
    """Return the sentence about an open transaction that blocks a partition."""
    return (
        f"an open transaction holds {topic}, partition {partition}, at offset {offset} {since}:"
        " nothing after it is counted until its producer ends it, or kafka-transactions abort"
        f" --topic {topic} --partition {partition} --start-offset {offset} does."
    )


def _partitions(
    spec: TopicSpec,
    found: int,
    others: Collection[int],
    existing: Mapping[str, ExistingTopic],
) -> Misfit:
    """Return what is wrong with a topic's number, by those of the plane's topics."""
    has = f"{spec.name} has {found} partition{'s' * (found != 1)}"
    if spec.plane and len(others) == 1:
        sentence = (
            f"{has}, OPWATCH_PARTITIONS is {spec.partitions}: set it to {found}, or choose another"
            " OPWATCH_TOPIC_PREFIX."
        )
        if found < spec.partitions:
            sentence += f" `opwatch topics reshard {spec.partitions}` moves what is counted."
    elif spec.like is not None:
        number = existing[spec.like].partitions
        sentence = f"{has} and needs as many as {spec.like}, {number}. {ANEW}"
    else:
        sentence = f"{has} and needs exactly {spec.partitions}. {ANEW}"
    return Misfit(spec.name, sentence, stops=True, ends=True)


def _config(spec: TopicSpec, found: Mapping[str, str]) -> list[Misfit]:
    misfits = []
    for key, value in spec.config.items():
        actual = found.get(key, "")
        if key in (*_EXACT, *_EXACT_NOTED):
            fits = set(actual.split(",")) == set(value.split(","))
            stops = key in _EXACT
        elif key in (*_AT_LEAST_STOPPING, *_AT_LEAST_NOTED):
            fits = _at_least(actual, value)
            stops = key in _AT_LEAST_STOPPING
        elif key in _AT_MOST_NOTED:
            fits = key not in found or _at_least(value, actual)
            stops = False
        else:
            continue
        if not fits:
            misfits.append(
                Misfit(
                    spec.name,
                    f"{spec.name} has {key}={actual}, opwatch makes it with {value}: kafka-configs"
                    f" --alter --topic {spec.name} --add-config {_quoted(key, value)} sets it.",
                    stops=stops,
                )
            )
    return misfits


def _at_least(actual: str, value: str) -> bool:
    try:
        return int(actual) == -1 or int(actual) >= int(value)  # -1 is without limit
    except ValueError:
        return False


def _quoted(key: str, value: str) -> str:
    return f"{key}=[{value}]" if "," in value else f"{key}={value}"
