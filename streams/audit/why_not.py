"""Return why a channel was not notified: each decision not to, with reason and sentence."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from schemas.breaches import Breach
from schemas.notifications import Notification, Reason
from streams.audit.log import Log
from streams.audit.status import NOT_SENT

#: Why nothing was decided at all: the rule names other channels.
NOT_ROUTED = "not_routed"


@dataclass(frozen=True, kw_only=True)
class NotSent:
    """One decision not to notify the channel, or not now."""

    at_ms: int
    reason: Reason | str
    sentence: str
    fingerprint: str
    breach_id: str | None
    rule: str | None
    series: str | None
    severity: str | None
    event: str | None
    until_ms: int | None


@dataclass(frozen=True, kw_only=True)
class ReasonGroup:
    """The decisions of one reason about one alert, in their order."""

    reason: Reason | str
    decisions: tuple[NotSent, ...]

    @property
    def last(self) -> NotSent:
        """The newest."""
        return self.decisions[-1]


def why_not(log: Log, channel: str, since_ms: int) -> list[NotSent]:
    """Return the decisions not to notify a channel, and the alerts that are not routed there."""
    found = [*_not_sent(log, channel, since_ms), *_not_routed(log, channel, since_ms)]
    return sorted(found, key=lambda decision: decision.at_ms)


def by_reason(decisions: Iterable[NotSent]) -> list[ReasonGroup]:
    """Return them by reason and alert: the reason with the most decisions first."""
    groups: dict[tuple[str, str], list[NotSent]] = {}
    sizes: dict[str, int] = {}
    for decision in decisions:
        key = (decision.reason, decision.fingerprint)
        groups.setdefault(key, []).append(decision)
        sizes[decision.reason] = sizes.get(decision.reason, 0) + 1
    ordered = sorted(groups.items(), key=lambda item: _order(item[0][0], len(item[1]), sizes))
    return [ReasonGroup(reason=reason, decisions=tuple(many)) for (reason, _), many in ordered]


def channels(log: Log) -> set[str]:
    """Return the channels that anything was decided about, or that a rule routes to."""
    named = {d.channel for many in log.decisions.values() for d in many if d.channel}
    breaches = (record.breach for many in log.breaches.values() for record in many)
    return named.union(*map(routed, breaches))


def routed(breach: Breach) -> set[str]:
    """Return the channels that a breach names, at whatever step."""
    steps = [name for step in breach.routing.escalation for name in step.channels]
    return {*breach.routing.channels, *steps}


def _order(reason: str, count: int, sizes: Mapping[str, int]) -> tuple[bool, int, str, int]:
    return reason == NOT_ROUTED, -sizes[reason], reason, -count


def _not_sent(log: Log, channel: str, since_ms: int) -> Iterator[NotSent]:
    records = chain.from_iterable(log.breaches.values())
    episodes = {record.breach.id: record.breach for record in records}
    for many in log.decisions.values():
        for decision in many:
            if decision.reason not in NOT_SENT or decision.now_ms < since_ms:
                continue
            if decision.channel == channel or _all_of(decision, channel, episodes):
                yield NotSent(
                    at_ms=decision.now_ms,
                    reason=decision.reason,
                    sentence=decision.sentence,
                    fingerprint=decision.fingerprint,
                    breach_id=decision.breach_id,
                    rule=decision.rule,
                    series=decision.series,
                    severity=decision.severity,
                    event=decision.event,
                    until_ms=decision.until_ms,
                )


def _all_of(decision: Notification, channel: str, episodes: Mapping[str, Breach]) -> bool:
    """Whether a decision about all of an alert's channels is about this one too."""
    breach = episodes.get(decision.breach_id or "")
    return decision.channel is None and breach is not None and channel in routed(breach)


def _not_routed(log: Log, channel: str, since_ms: int) -> Iterator[NotSent]:
    for many in log.breaches.values():
        for breach, _, at_ms in many:
            if breach.state != "opened" or at_ms < since_ms or channel in routed(breach):
                continue
            others = ", ".join(breach.routing.channels) or "no channel"
            yield NotSent(
                at_ms=at_ms,
                reason=NOT_ROUTED,
                sentence=f"The rule {breach.rule} routes to {others}.",
                fingerprint=breach.fingerprint,
                breach_id=breach.id,
                rule=breach.rule,
                series=breach.series,
                severity=breach.severity,
                event="opened",
                until_ms=None,
            )
