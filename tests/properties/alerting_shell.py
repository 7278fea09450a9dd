"""Draw logs of breaches and commands, and a shell around alerting that is killed at any moment."""

from random import Random

from hypothesis import strategies as st

from schemas.commands import Acknowledge, EndSilence, Silence
from schemas.rules import SEVERITIES
from streams.alerting.inputs import AttemptResult, BreachInput, CommandInput, Tick
from tests.unit.streams.alerting.world import MINUTE, T0, Rejected, Retry, Sent, World, breach

SEEDS = st.integers(0, 1 << 32)
COOLDOWN_MS = 4 * MINUTE
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
