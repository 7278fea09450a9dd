"""A world for alerting's tests: breaches at will, and a shell that writes, publishes and sends."""

from itertools import islice

from pydantic import TypeAdapter

from schemas.breaches import Breach, Routing, Span, Step
from schemas.channels import Channel
from schemas.commands import Acknowledge, EndSilence, Redrive, Silence, TestChannel
from schemas.notifications import Notification
from streams.alerting.engine import AlertEngine
from streams.alerting.inputs import AttemptResult, BreachInput, Channels, CommandInput, Tick
from streams.channels.response_meaning import Rejected, Retry, Sent

T0 = 1_800_000_000_000
MINUTE = 60_000
CHANNELS = TypeAdapter(list[Channel]).validate_python(
    [
        {"name": "mail", "type": "email", "to": ["a@example.org"], "fallback": None},
        {"name": "slack", "type": "slack", "fallback": "mail"},
        {"name": "pager", "type": "pagerduty", "severities": ["high", "critical"]},
        {"name": "off", "type": "webhook", "enabled": False},
        {"name": "bare", "type": "webhook", "fallback": "mail"},
    ]
)
MISSING = {"bare": "OPWATCH_WEBHOOK_URL is not set."}


def breach(
    series="lever",
    *,
    episode="e1",
    revision=1,
    state="opened",
    severity="high",
    channels=("slack",),
    cooldown_ms=10 * MINUTE,
    escalation=(),
    at_ms=T0,
    why=None,
    **more,
):
    fields = {
        "id": f"{series}-{episode}",
        "revision": revision,
        "state": state,
        "why": why
        or {"opened": "violated", "updated": "severity_changed"}.get(state, "condition_gone"),
        "fingerprint": f"fp-{series}",
        "rule": "success",
        "kind": "metric_threshold",
        "series": f'parse{{platform="{series}"}}',
        "labels": {"platform": series},
        "severity": severity,
        "samples": 10,
        "span": Span(start_ms=at_ms - MINUTE, end_ms=at_ms),
        "since_ms": at_ms,
        "opened_ms": at_ms,
        "confirmed": False,
        "summary": "Success is too low.",
        "metric": "success_rate",
        "operator": "less_than",
        "threshold": 95.0,
        "observed": 12.0,
        "routing": Routing(
            channels=list(channels),
            cooldown_ms=cooldown_ms,
            escalation=[Step(after_ms=after, channels=list(to)) for after, to in escalation],
        ),
        "rules_hash": "r",
    }
    return Breach(**(fields | more))


class World:
    """A shell over one table, whose receivers answer as they are told to."""

    def __init__(self, channels=CHANNELS, missing=MISSING):
        self.packed = {}
        self.channels = Channels.of(channels, missing)
        self.now = T0
        self.offset = -1
        self.generation = 0
        self.answers = {}
        self.decisions = {}
        self.sent = []
        self.start()

    def start(self):
        self.generation += 1
        self.alerting = AlertEngine(dict(self.packed), self.channels, f"g{self.generation}")
        return self

    def take(self, given):
        said = self.alerting.apply(given, self.now)
        self.write()
        return said

    def write(self):
        for key, value in self.alerting.take_changes():
            if value is None:
                self.packed.pop(key, None)
            else:
                self.packed[key] = value
        publications = list(self.alerting.unpublished())
        for one in publications:
            assert self.decisions.setdefault(one.id, one.value) == one.value
        self.alerting.published(publications)

    def breach(self, *args, offset=None, **more):
        return self.take_breach(breach(*args, **more), offset)

    def take_breach(self, one, offset=None):
        if offset is None:
            self.offset += 1
            offset = self.offset
        raw = one.model_dump_json().encode()
        return self.take(BreachInput(breach=one, raw=raw, offset=offset))

    def command(self, command, offset=None):
        if offset is None:
            self.offset += 1
            offset = self.offset
        return self.take(CommandInput(command=command, offset=offset))

    def ack(self, series="lever", episode="e1", by="ann", name="c1"):
        return self.command(
            Acknowledge(
                id=name,
                by=by,
                at_ms=self.now,
                fingerprint=f"fp-{series}",
                breach_id=f"{series}-{episode}",
            )
        )

    def silence(self, *matchers, name="s1", start=0, end=MINUTE, every=None):
        listed = [{"label": m[0], "operator": m[1], "value": m[2]} for m in matchers]
        return self.command(
            Silence(
                id=name,
                by="ann",
                at_ms=self.now,
                comment="maintenance",
                matchers=listed,
                start_ms=self.now + start,
                end_ms=self.now + end,
                every=every,
            )
        )

    def end_silence(self, name="s1", command="c9"):
        return self.command(EndSilence(id=command, by="bob", at_ms=self.now, silence=name))

    def redrive(self, delivery, name="r1"):
        return self.command(Redrive(id=name, by="ann", at_ms=self.now, delivery=delivery))

    def test_channel(self, channel, name="t1"):
        return self.command(TestChannel(id=name, by="ann", at_ms=self.now, channel=channel))

    def claim(self, channel):
        attempt = self.alerting.next_attempt(channel, self.now)
        self.write()
        return attempt

    def answer(self, attempt, answer, jitter=0.5):
        if isinstance(answer, Sent) or getattr(answer, "ambiguous", False):
            self.sent.append((self.now, attempt.channel, attempt.message))
        return self.take(AttemptResult(attempt=attempt, response=answer, jitter=jitter))

    def tick(self):
        return self.take(Tick())

    def deliver(self):
        """Send what is due now, everywhere."""
        for channel in self.channels.by_name:
            while (attempt := self.claim(channel)) is not None:
                self.answer(attempt, self.answers.get(channel, Sent(answer="ok")))

    def next_ms(self):
        times = [self.alerting.next_due_ms()]
        times += [self.alerting.next_attempt_ms(name) for name in self.channels.by_name]
        return min((at for at in times if at is not None), default=None)

    def run(self, span_ms):
        """Let time pass, doing what is due when it is due."""
        until = self.now + span_ms
        for _ in range(100_000):
            self.deliver()
            next_ms = self.next_ms()
            if next_ms is None or next_ms > until:
                self.now = until
                return self
            self.now = max(self.now, next_ms)
            self.tick()
        raise AssertionError("it never rests")

    # ------------------------------------------------------------------ asking

    def told(self, channel=None):
        return [
            (to, message.event, message.breach.id, len(message.others))
            for _, to, message in self.sent
            if channel in (None, to)
        ]

    def said(self, since=0):
        values = islice(self.decisions.values(), since, None)
        return [Notification.model_validate_json(value) for value in values]

    def reasons(self, channel=None):
        return [one.reason for one in self.said() if channel in (None, one.channel)]

    def last(self):
        return self.said()[-1]


__all__ = ["MINUTE", "T0", "Rejected", "Retry", "Sent", "World", "breach"]
