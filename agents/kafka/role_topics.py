"""List the topics that each role reads and writes, and its tables."""

from collections.abc import Mapping
from typing import NamedTuple

from agents.kafka.topic_fit import TopicSpec
from agents.runtime.settings import Settings
from schemas.spans import HOUR_MS
from schemas.topics import (
    AGGREGATES,
    ANALYSES,
    BEATS,
    BREACHES,
    CALIBRATION,
    COMMANDS,
    DEAD_LETTERS,
    HEARTBEATS,
    LABELS,
    LARGE,
    NOTIFICATIONS,
    OPERATIONS,
    PARTIALS,
    QUALITY_PARTIALS,
    QUALITY_SCORES,
    REMEDIATIONS,
    SCORED_ANALYSES,
    TOPICS,
    Topic,
)


class RoleTopics(NamedTuple):
    """What a role reads and writes, and its tables."""

    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    tables: Mapping[str, Topic]
    """The tables, each with the topic whose number of partitions it has."""


ROLES = {
    "measure": RoleTopics(
        reads=(OPERATIONS, PARTIALS, HEARTBEATS, BEATS, AGGREGATES),
        writes=(PARTIALS, BEATS, AGGREGATES, BREACHES, DEAD_LETTERS),
        tables={"windows": PARTIALS, "services": BEATS, "rules": AGGREGATES},
    ),
    "quality": RoleTopics(
        reads=(ANALYSES, QUALITY_PARTIALS, LABELS, CALIBRATION),
        writes=(
            *(SCORED_ANALYSES, QUALITY_SCORES, QUALITY_PARTIALS, CALIBRATION),
            *(AGGREGATES, REMEDIATIONS, DEAD_LETTERS),
        ),
        tables={"windows": QUALITY_PARTIALS, "inputs": ANALYSES, "labels": CALIBRATION},
    ),
    "alert": RoleTopics(
        reads=(BREACHES, COMMANDS),
        writes=(COMMANDS, NOTIFICATIONS, DEAD_LETTERS),
        tables={"alerts": BREACHES},
    ),
    "store": RoleTopics(
        reads=(
            *(AGGREGATES, QUALITY_SCORES, LABELS, BREACHES, COMMANDS),
            *(NOTIFICATIONS, DEAD_LETTERS),
        ),
        writes=(DEAD_LETTERS,),
        tables={},
    ),
}


def of_role(settings: Settings, role: str) -> list[TopicSpec]:
    """Return the specifications of a role's topics, with the rights that it needs."""
    reads, writes, tables = ROLES[role]
    if role == "alert" and settings.link_secret is not None:
        reads = (*reads, NOTIFICATIONS)  # the acknowledge page reads what was decided
    specs = [
        _spec(
            settings,
            topic,
            frozenset(["READ"] * (topic in reads) + ["WRITE"] * (topic in writes)),
        )
        for topic in (*reads, *(topic for topic in writes if topic not in reads))
    ]
    return specs + [changelog(settings, role, table) for table in tables]


def everything(settings: Settings, needs: frozenset[str] = frozenset()) -> list[TopicSpec]:
    """Return the specifications of all topics, changelogs too, with the rights needed."""
    changelogs = [
        changelog(settings, role, table) for role in ROLES for table in ROLES[role].tables
    ]
    return [
        *(_spec(settings, topic, needs) for topic in TOPICS),
        *(spec._replace(needs=needs) for spec in changelogs),
    ]


def changelog(settings: Settings, role: str, table: str) -> TopicSpec:
    """Return the topic that a role's table is restored from."""
    topic = ROLES[role].tables[table]
    return TopicSpec(
        f"{settings.topic_prefix}{role}-{table}-changelog",
        topic.count(settings.partitions),
        {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(HOUR_MS),
            # An open segment is never compacted, and is read whole when the table is restored.
            "segment.ms": str(HOUR_MS),
        }
        | LARGE,
        plane=topic.partitions == "plane",
        like=None if topic.partitions in ("plane", "one") else settings.topic(ANALYSES),
        needs=frozenset(("READ", "WRITE")),
    )


def _spec(settings: Settings, topic: Topic, needs: frozenset[str] = frozenset()) -> TopicSpec:
    return TopicSpec(
        settings.topic(topic),
        topic.count(settings.partitions),
        topic.config,
        plane=topic.partitions == "plane",
        any_number=topic.partitions == "any",
        like=settings.topic(ANALYSES) if topic.partitions == "analyses" else None,
        needs=needs,
    )
