"""The role and the commands have one notion of an alert's newest episode."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Acknowledge
from streams.audit.log import Log
from streams.audit.status import alert_status
from streams.episodes import REMEMBERED, Episodes
from tests.effort import examples
from tests.unit.streams.alerting.world import MINUTE, T0, World, breach

FINGERPRINT = "fp-lever"


def opened(episode, since=0, revision=1, **more):
    return breach(episode=episode, at_ms=T0 + since, revision=revision, **more)


def resolved(episode, since=0, revision=2):
    return opened(episode, since, revision, state="resolved")


def newest(*breaches):
    episodes = Episodes()
    for one in breaches:
        episodes.take(one)
    return episodes.newest.id, episodes.newest.revision


@pytest.mark.parametrize(
    ("breaches", "expected"),
    [
        # a record of the older episode comes late
        ([opened("a"), resolved("a"), opened("b", MINUTE), opened("a", 0, 3)], ("b", 1)),
        # published again after a crash
        ([opened("a"), resolved("a"), opened("b"), resolved("a"), opened("b")], ("b", 1)),
        # resolved and opened again within the same moment
        ([opened("a"), resolved("a"), opened("b")], ("b", 1)),
        ([opened("a"), resolved("a"), opened("b"), resolved("b")], ("b", 2)),
        # a later revision of the windows lets the next one begin before the one that is over
        ([opened("a", MINUTE), resolved("a", MINUTE), opened("b", 0)], ("b", 1)),
        # of two that fire the one that began later
        ([opened("b", MINUTE), opened("a", 0)], ("b", 1)),
        ([opened("a", 0), opened("b", MINUTE)], ("b", 1)),
        # what is over does not follow what is over and began later
        ([opened("b", MINUTE), resolved("b", MINUTE), resolved("a", 0)], ("b", 2)),
        # a revision may move the beginning: the larger revision stands
        ([opened("a", MINUTE), opened("a", 0, 2)], ("a", 2)),
        ([opened("a", 0, 2), opened("a", MINUTE, 1)], ("a", 2)),
        # the same episode opens again
        ([opened("a"), resolved("a"), opened("a", 0, 3)], ("a", 3)),
    ],
)
def test_the_newest_episode_is(breaches, expected):
    assert newest(*breaches) == (f"lever-{expected[0]}", expected[1])


def draw(random):
    """Return records in an order that a topic may have: episodes, repeats, late and stale ones."""
    records, at = [], 0
    for n in range(random.randint(1, 5)):
        since = max(0, at - random.choice([0, 0, 0, MINUTE, 2 * MINUTE]))
        severity, own = random.choice(["medium", "high"]), []
        for revision in range(1, random.randint(2, 5)):
            state = "opened" if revision == 1 else "updated"
            severity = random.choice([severity, "medium", "high", "critical"])
            more = {"state": state, "severity": severity, "stale": random.random() < 0.1}
            own.append(opened(f"e{n}", since, revision, **more))
        if random.random() < 0.8:
            own.append(resolved(f"e{n}", since, len(own) + 1))
        records += own
        at += random.choice([0, MINUTE])
    for _ in range(random.randint(0, 4)):
        one = random.choice(records)
        records.insert(random.randint(records.index(one) + 1, len(records)), one)
    for _ in range(random.randint(0, 2)):
        records.insert(random.randrange(len(records)), records.pop(random.randrange(len(records))))
    return records


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_commands_show_what_the_role_holds(seed):
    random = Random(seed)
    world, log, told = World(), Log(), 0
    for record in draw(random):
        world.now += random.choice([0, 1_000, MINUTE])
        world.take_breach(record)
        log.add_breach(record, world.offset, world.now)
        if random.random() < 0.4:
            command = Acknowledge(
                id=f"c{world.offset}",
                by="ann",
                at_ms=world.now,
                fingerprint=FINGERPRINT,
                breach_id=random.choice([record.id, log.newest(FINGERPRINT).id]),
            )
            world.command(command)
            log.add_command(command, world.offset, world.now)
        if random.random() < 0.1:
            world.start()
        for decision in world.said(since=told):
            log.add_decision(decision)
        told = len(world.decisions)
        row = world.alerting._table.states[FINGERPRINT]
        newest = world.alerting._table.newest(row)
        assert log.newest(FINGERPRINT) == newest
        shown = alert_status(log, FINGERPRINT, world.now)
        assert (shown.state, shown.breach) == (row.phase, newest)
        assert shown.by == (row.acknowledged_by if row.phase == "acknowledged" else "")


def test_a_row_does_not_grow_with_its_episodes():
    world = World()
    for n in range(3 * REMEMBERED):
        world.take_breach(opened(f"e{n}", n * MINUTE))
        world.take_breach(resolved(f"e{n}", n * MINUTE))
        world.run(20 * MINUTE)
    assert len(world.alerting._table.states[FINGERPRINT].revisions) <= REMEMBERED + 2
