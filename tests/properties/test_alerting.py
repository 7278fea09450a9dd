"""Alerting tells once, resolves whom it told, and loses nothing, whatever happens in between."""

from collections import defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Acknowledge
from schemas.notifications import Notification
from streams.alerting import limits
from tests.effort import examples
from tests.properties.alerting_shell import COOLDOWN_MS, RANK, SEEDS, Shell, draw_log, shell
from tests.unit.streams.alerting.world import (
    MINUTE,
    T0,
    World,
)

NOT_TOLD = {
    "below_severity", "channel_disabled", "unknown_channel", "undeliverable", "cancelled",
    "not_told", "no_channel", "gave_up", "acknowledged", "duplicate",
}  # fmt: skip


def heard_openings(sent, channel):
    """Return (at, fingerprint, breach's id, severity) of the openings a channel heard of."""
    return [
        (at, one.fingerprint, one.id, one.severity)
        for at, to, message in sent
        if to == channel and message.event in ("opened", "summary")
        for one in (message.breach, *message.others)
    ]


@settings(max_examples=examples(30))
@given(SEEDS, st.sampled_from([0.0, 0.05]))
def test_no_channel_hears_of_two_episodes_within_a_cooldown_unless_severity_rose(seed, kills):
    world = shell(seed, kills=kills).finish()
    for channel in world.channels.by_name:
        before = {}
        for at, fingerprint, name, severity in heard_openings(world.sent, channel):
            known = before.get(fingerprint)
            if known is not None and known[1] != name and RANK[severity] <= RANK[known[2]]:
                assert at - known[0] >= COOLDOWN_MS
            before[fingerprint] = (at, name, severity)


@settings(max_examples=examples(50))
@given(SEEDS, st.sampled_from([0.0, 0.03, 0.15]))
def test_everyone_who_heard_hears_of_the_end_and_nobody_else_does(seed, kills):
    world = shell(seed, kills=kills).finish()
    opened, closed = defaultdict(set), defaultdict(set)
    for _, channel, message in world.sent:
        if channel == "pager":
            place = opened if message.event not in ("resolved", "acknowledged") else closed
            levels = range(message.level + 1) if place is closed else [message.level]
            for level in levels:
                place[channel].add((message.incident, level))
                if place is opened:
                    closed[channel].discard((message.incident, level))
            continue
        for one in (message.breach, *message.others):
            if message.event == "resolved" and not message.announces_opening:
                assert one.id in opened[channel], "nobody heard of it"
            if message.event != "resolved" or message.announces_opening:
                opened[channel].add(one.id)
            if one.state == "resolved":
                closed[channel].add(one.id)
    for channel, known in opened.items():
        assert known <= closed[channel] | ended_unsaid(world, channel), channel


def ended_unsaid(world, channel):
    """Return the episodes whose end a channel certainly could not be told."""
    given_up = [one for one in world.said() if one.reason == "gave_up"]
    return {one.breach_id for one in given_up if one.channel == channel}


@settings(max_examples=examples(50))
@given(SEEDS, st.sampled_from([0.03, 0.15, 0.3]))
def test_a_crash_at_any_point_loses_no_delivery(seed, kills):
    world = shell(seed, kills=kills).finish()
    assert sum(world.alerting.queued.values()) == 0
    heard = defaultdict(set)
    for _, channel, message in world.sent:
        heard[channel] |= {one.id for one in (message.breach, *message.others)}
    refused = defaultdict(set)
    for one in world.said():
        replaced = one.reason == "cancelled" and one.delivery is not None
        if one.reason in NOT_TOLD and not replaced:
            refused[one.channel].add(one.breach_id)
    for _, one in world.log:
        if not hasattr(one, "routing"):
            continue
        for channel in one.routing.channels:
            assert one.id in heard[channel] | refused[channel] | refused[None], channel


@settings(max_examples=examples(30))
@given(SEEDS)
def test_an_acknowledgement_of_another_episode_mutes_nothing(seed):
    random = Random(seed)
    log = draw_log(random, random.randint(1, 4), 3)
    with_acks = Shell(Still(), log, troubles=0.0)
    acked = [one for _, one in with_acks.log if isinstance(one, Acknowledge)]
    with_acks.finish()
    refused = {one.cause.offset for one in with_acks.said() if one.reason == "command_refused"}
    for one in with_acks.said():
        if one.reason == "acknowledged":
            assert any(ack.breach_id == one.breach_id for ack in acked)
    kept = [record for offset, record in enumerate(with_acks.log) if offset not in refused]
    without = Shell(Still(), kept, troubles=0.0)
    without.finish()
    assert events_of(without) == events_of(with_acks)


class Still(Random):
    """Lets nothing happen by chance, so that two runs differ in their records alone."""

    def random(self):
        return 0.99


def events_of(world):
    return {
        (channel, message.event, one.id)
        for _, channel, message in world.sent
        for one in (message.breach, *message.others)
        if message.event == "escalated"
    }


@settings(max_examples=examples(20))
@given(SEEDS)
def test_thirty_openings_within_five_seconds_are_two_messages_a_channel(seed):
    random = Random(seed)
    world = World()
    for at in sorted(random.randrange(limits.GROUP_WAIT_MS) for _ in range(30)):
        world.now = max(world.now, T0 + at)
        world.deliver()
        severity = random.choice(["high", "critical"])
        channels = ("slack", "pager", "mail")
        world.breach(f"p{len(world.decisions)}", severity=severity, channels=channels)
    world.run(MINUTE)
    for channel in ("slack", "pager", "mail"):
        assert len(world.told(channel)) == 2
    assert len(heard_openings(world.sent, "slack")) == 30
    said = [Notification.model_validate_json(value) for value in world.decisions.values()]
    assert len({one.breach_id for one in said}) == 30
