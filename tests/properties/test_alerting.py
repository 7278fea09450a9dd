"""Alerting tells once, resolves whom it told, and loses nothing, whatever happens in between."""

import re
from collections import defaultdict
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Acknowledge, EndSilence, Silence
from schemas.notifications import Notification
from schemas.rules import SEVERITIES
from streams.alerting import limits
from streams.alerting.engine import AlertEngine
from streams.alerting.inputs import AttemptResult, BreachInput, CommandInput, Tick
from tests.effort import examples
from tests.unit.streams.alerting.world import (
    MINUTE,
    T0,
    Rejected,
    Retry,
    Sent,
    World,
    breach,
)

SEEDS = st.integers(0, 1 << 32)
COOLDOWN_MS = 4 * MINUTE
NOT_TOLD = {
    "below_severity", "channel_disabled", "unknown_channel", "undeliverable", "cancelled",
    "not_told", "no_channel", "gave_up", "acknowledged", "duplicate",
}  # fmt: skip
RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


def draw_log(random, services, episodes):
    """Return records: (at_ms, breach or command), episodes one after another of each series."""
    log = []
    for i in range(services):
        at = T0 + random.randrange(3 * MINUTE)
        channels = random.sample(["slack", "pager", "mail", "off", "bare"], random.randint(1, 4))
        steps = [(random.randint(1, 4) * MINUTE, ("pager", "mail"))] * (random.random() < 0.4)
        labels = {"platform": f"p{i}"} | ({"service": "x"} if random.random() < 0.4 else {})
        for n in range(random.randint(1, episodes)):
            severity = random.choice(SEVERITIES)
            began, revision, stale = at, 1, random.random() < 0.1
            fields = {
                "episode": f"e{n}", "at_ms": began, "channels": channels,
                "cooldown_ms": COOLDOWN_MS, "escalation": steps, "labels": labels,
            }  # fmt: skip
            log.append((at, breach(f"p{i}", severity=severity, stale=stale, **fields)))
            for _ in range(random.randint(0, 3)):
                at += random.randrange(random.choice([5_000, 2 * MINUTE]))
                revision += 1
                severity = random.choice([severity, random.choice(SEVERITIES)])
                more = {"severity": severity, "revision": revision, "why": "still_true"}
                log.append((at, breach(f"p{i}", state="updated", **more, **fields)))
                if random.random() < 0.3:
                    log.append((at + 500, draw_ack(random, i, n, len(log))))
            at += random.randrange(4 * MINUTE)
            over = {"state": "resolved", "severity": severity, "revision": revision + 1}
            log.append((at, breach(f"p{i}", **over, **fields)))
            at += random.randrange(3 * MINUTE)
    log += draw_service(random) if random.random() < 0.4 else []
    for k in range(random.choice([0, 0, 1, 2])):
        at = T0 + random.randrange(5 * MINUTE)
        log.append((at, draw_silence(random, k, at)))
        log.append((at + MINUTE, EndSilence(id=f"end{k}", by="bob", at_ms=at, silence=f"s{k}")))
    return sorted(log, key=lambda one: one[0])


def draw_service(random):
    """Return a service's way from down or degraded, to and fro, to up."""
    at = T0 + random.randrange(2 * MINUTE)
    fields = {"kind": "service_status", "labels": {"service": "x"}, "cooldown_ms": COOLDOWN_MS}
    fields |= {"at_ms": at, "channels": ("mail",)}
    log = []
    for revision in range(1, random.randint(2, 5)):
        state = "opened" if revision == 1 else "updated"
        evidence = {"status": random.choice(["down", "degraded"])}
        log.append((at, breach("svc", state=state, revision=revision, evidence=evidence, **fields)))
        at += random.randrange(2 * MINUTE)
    over = {"state": "resolved", "revision": len(log) + 1, "evidence": {"status": "up"}}
    return [*log, (at, breach("svc", **over, **fields))]


def draw_ack(random, i, n, number):
    of = max(0, n - random.choice([0, 0, 1]))
    names = {"fingerprint": f"fp-p{i}", "breach_id": f"p{i}-e{of}"}
    return Acknowledge(id=f"ack{number}", by="ann", at_ms=T0, **names)


def draw_silence(random, k, at):
    matchers = [{"label": "platform", "operator": "=~", "value": f"p[{k}-4]"}]
    times = {"start_ms": at, "end_ms": at + random.randint(1, 5) * MINUTE}
    return Silence(id=f"s{k}", by="ann", at_ms=at, matchers=matchers, **times)


class Shell(World):
    """A shell that is killed at any moment; what it had not written is given again."""

    def __init__(self, random, log, *, kills=0.0, troubles=0.3):
        self.random, self.log, self.kills, self.troubles = random, log, kills, troubles
        self.read = self.committed = 0
        self.inputs = []
        super().__init__()

    def killed(self):
        return self.random.random() < self.kills

    def crash(self, changes):
        """Die while writing: some of the first changes are on disk, nothing is published."""
        for key, value in changes[: self.random.randint(0, len(changes))]:
            self.put(key, value)
        self.read = self.committed
        self.start()

    def put(self, key, value):
        if value is None:
            self.packed.pop(key, None)
        else:
            self.packed[key] = value

    def flush(self):
        """Write and publish, unless killed first; return whether it lived."""
        changes = self.alerting.take_changes(published=self.random.random() < 0.2)
        if self.killed():
            self.crash(changes)
            return False
        for key, value in changes:
            self.put(key, value)
        publications = list(self.alerting.unpublished())
        for one in publications:
            assert self.decisions.setdefault(one.id, one.value) == one.value
        if publications and self.killed():  # all or some are published: nobody knows which
            self.crash([])
            return False
        self.alerting.published(publications)
        self.committed = self.read
        return True

    def give(self, given):
        self.inputs.append((given, self.now))
        return self.alerting.apply(given, self.now)

    def read_due(self):
        while self.read < len(self.log) and self.log[self.read][0] <= self.now:
            _, one = self.log[self.read]
            if hasattr(one, "fingerprint") and hasattr(one, "rule"):
                raw = one.model_dump_json().encode()
                given = BreachInput(breach=one, raw=raw, offset=self.read)
            else:
                given = CommandInput(command=one, offset=self.read)
            self.give(given)
            self.read += 1
            if self.random.random() < 0.3 and not self.flush():
                return

    def answer_of(self, channel):
        random = self.random
        if random.random() >= self.troubles:
            return Sent(answer="ok")
        return random.choice(
            [
                Retry(answer="503"),
                Retry(answer="429", after_ms=random.randrange(20_000)),
                Retry(answer="cut", ambiguous=True),
                Rejected(answer="400") if channel == "slack" else Retry(answer="500"),
            ]
        )

    def send(self, channel):
        decided = len(list(self.alerting.unpublished()))
        attempt = self.alerting.next_attempt(channel, self.now)
        if attempt is not None or len(list(self.alerting.unpublished())) > decided:
            self.inputs.append((channel, self.now))
        if attempt is None:
            return False
        if not self.flush():
            return True
        if self.random.random() < 0.3:  # meanwhile more comes in
            self.now += self.random.randrange(5_000)
            self.read_due()
        answer = self.answer_of(channel)
        heard = isinstance(answer, Sent) or getattr(answer, "ambiguous", False)
        if heard:
            self.sent.append((self.now, channel, attempt.message))
        if self.killed():
            self.crash([])
            return True
        self.give(AttemptResult(attempt=attempt, response=answer, jitter=self.random.random()))
        self.flush()
        return True

    def live(self, span_ms):
        until = self.now + span_ms
        for _ in range(100_000):
            self.read_due()
            self.give(Tick())
            self.flush()
            if sum(self.send(name) for name in self.channels.by_name):
                continue
            times = [self.next_ms() or until, until]
            times += [self.log[self.read][0]] if self.read < len(self.log) else []
            if min(times) >= until and self.now >= until:
                return self
            self.now = max(self.now + 1, min(times))
        raise AssertionError("it never rests")

    def finish(self):
        """Let everything through and everything end."""
        self.live(40 * MINUTE)
        self.kills = self.troubles = 0
        return self.live(3 * 60 * MINUTE)


def shell(seed, *, kills=0.0, troubles=0.3, services=4, episodes=3):
    random = Random(seed)
    log = draw_log(random, random.randint(1, services), episodes)
    return Shell(random, log, kills=kills, troubles=troubles)


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


class Forbidden:
    """What the records alone say of which pages may not be sent: a model of its own."""

    def __init__(self):
        self.alerts, self.silences = {}, {}

    def copy(self):
        """Return what is known now: records are never changed, what is known of them is."""
        return {
            "alerts": {key: known.copy() for key, known in self.alerts.items()},
            "silences": {key: known.copy() for key, known in self.silences.items()},
        }

    def restore(self, copy):
        """Know again what a copy knows, which stays as it is."""
        self.__dict__.update(copy)
        self.__dict__.update(self.copy())

    def take(self, given_, now_ms):
        one = getattr(given_, "breach", None) or getattr(given_, "command", None)
        if hasattr(one, "rule"):
            self._breach(one, now_ms)
        elif isinstance(one, Acknowledge):
            known = self.alerts.get(one.fingerprint)
            if known and known["breach"].id == one.breach_id and known["state"] == "firing":
                known["state"] = "acknowledged"
        elif isinstance(one, Silence) and one.end_ms > now_ms:
            self.silences[one.id] = [one, one.end_ms]
        elif isinstance(one, EndSilence) and one.silence in self.silences:
            silence = self.silences[one.silence]
            silence[1] = min(silence[1], now_ms)

    def _breach(self, one, now_ms):
        known = self.alerts.get(one.fingerprint)
        same = known is not None and known["breach"].id == one.id
        if same and one.revision <= known["breach"].revision:
            return
        rises = same and RANK[one.severity] > RANK[known["breach"].severity]
        state = "firing" if not same or rises else known["state"]
        if one.state == "resolved":
            state = "resolved"
        self.alerts[one.fingerprint] = {"breach": one, "state": state}

    def why(self, one, channel, now_ms):
        known = self.alerts.get(one.fingerprint)
        if known is None:
            return None
        newest = known["breach"]
        if (newest.since_ms, newest.revision) > (one.since_ms, one.revision):
            return f"it is at {newest.id}/{newest.revision}"
        if newest != one:
            return None  # a crash cut the writes short, and this alert's row was among the written
        if known["state"] != "firing":
            return known["state"]
        for silence, end_ms in self.silences.values():
            pattern = silence.matchers[0].value
            if silence.start_ms <= now_ms < end_ms and re.fullmatch(
                pattern, one.labels.get("platform", "")
            ):
                return "silenced"
        if one.kind != "service_status" and one.labels.get("service") == "x":
            service = self.alerts.get("fp-svc")
            if (
                service
                and service["state"] != "resolved"
                and service["breach"].evidence["status"] == "down"
            ):
                return "inhibited"
        if channel == "pager" and RANK[one.severity] < RANK["high"]:
            return "below severity"
        return None


@settings(max_examples=examples(60))
@given(SEEDS, st.sampled_from([0.3, 0.7, 0.95]), st.sampled_from([0.0, 0.05]))
def test_no_attempt_begins_after_the_decision_that_forbids_it(seed, troubles, kills):
    world = shell(seed, troubles=troubles, kills=kills)
    known, wrong = Forbidden(), []
    give, flush, claim = world.give, world.flush, world.alerting.next_attempt

    def given_too(given_):
        known.take(given_, world.now)
        return give(given_)

    def flushed():
        lived = flush()
        if lived:
            flushed.known = known.copy()
        return lived

    flushed.known = known.copy()

    def claimed(channel, now_ms, *more):
        attempt = claimed.real(channel, now_ms, *more)
        if attempt is not None and attempt.message.event not in ("resolved", "acknowledged"):
            message = attempt.message
            for one in (message.breach, *message.others):
                if one.state == "resolved":
                    continue
                why = known.why(one, channel, now_ms)
                if why and not (kills and why in ("silenced", "inhibited")):  # an end is read twice
                    wrong.append((channel, now_ms, message.event, one.id, one.revision, why))
        return attempt

    claimed.real = claim
    world.give, world.flush = given_too, flushed
    start = world.start

    def started():
        start()
        known.restore(flushed.known)  # what was not written is read again
        claimed.real = world.alerting.next_attempt
        world.alerting.next_attempt = claimed
        return world

    world.start, world.alerting.next_attempt = started, claimed
    world.finish()
    assert wrong == []
    assert sum(world.alerting.queued.values()) == 0


@settings(max_examples=examples(30))
@given(SEEDS)
def test_every_record_ends_in_a_decision_with_a_reason_and_a_sentence(seed):
    world = shell(seed)
    world.finish()
    said = world.said()
    decided = {one.cause.offset for one in said}
    assert decided >= set(range(len(world.log)))
    for one in said:
        assert one.reason
        assert one.sentence.endswith((".", ")")), one.sentence
    assert len({one.id for one in said}) == len(said)
    as_the_schema_writes = [one.model_dump_json().encode() for one in said]
    assert as_the_schema_writes == list(world.decisions.values())


@settings(max_examples=examples(20))
@given(SEEDS)
def test_replaying_the_inputs_gives_the_same_decisions_with_or_without_restarts(seed):
    world = shell(seed)
    world.finish()
    random = Random(seed + 1)
    packed, decisions, attempts = {}, {}, {}
    alerting = AlertEngine(packed, world.channels, "g1")
    for given_, now_ms in world.inputs:
        if random.random() < 0.2:
            alerting = AlertEngine(dict(packed), world.channels, "g1")
        if isinstance(given_, str):
            attempt = alerting.next_attempt(given_, now_ms)
            if attempt is not None:
                attempts[attempt.id, attempt.attempt] = attempt
        else:
            if isinstance(given_, AttemptResult):
                assert attempts[given_.attempt.id, given_.attempt.attempt].message == (
                    given_.attempt.message
                )
            alerting.apply(given_, now_ms)
        for key, value in alerting.take_changes():
            packed[key] = value
            if value is None:
                del packed[key]
        decisions |= {one.id: one.value for one in alerting.unpublished()}
        alerting.published(list(alerting.unpublished()))
    assert decisions == world.decisions


@settings(max_examples=examples(20))
@given(SEEDS)
def test_the_same_record_twice_changes_nothing(seed):
    world = shell(seed)
    take = world.give

    def give(given_):
        said = take(given_)  # and again:
        if isinstance(given_, BreachInput | CommandInput | AttemptResult):
            world.alerting.take_changes()
            assert world.alerting.apply(given_, world.now) == 0
            assert world.alerting.take_changes() == []
        return said

    world.give = give
    while world.read < len(world.log):
        world.now = max(world.now, world.log[world.read][0])
        world.read_due()
        world.give(Tick())
        for name in world.channels.by_name:
            world.send(name)


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
