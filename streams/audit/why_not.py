"""Gather why a channel was not told: each decision not to, with its reason and sentence."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.breaches import Breach
from schemas.notifications import Notification, Reason
from streams.audit.log import Log
from streams.audit.status import NOT_SENT

#: Why nothing was decided at all: the rule names other channels.
NOT_ROUTED = "not_routed"


@dataclass(frozen=True, kw_only=True)
class NotSent:
    """One decision not to tell the channel, or not now."""

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
    """Return every decision not to tell the channel since a moment, and whom no rule sent there."""
    found = [*_held(log, channel, since_ms), *_not_routed(log, channel, since_ms)]
    return sorted(found, key=lambda one: one.at_ms)


def by_reason(decisions: Iterable[NotSent]) -> list[ReasonGroup]:
    """Return them by reason and alert: the reason with the most decisions first."""
    groups: dict[tuple[str, str], list[NotSent]] = {}
    sizes: dict[str, int] = {}
    for one in decisions:
        groups.setdefault((one.reason, one.fingerprint), []).append(one)
        sizes[one.reason] = sizes.get(one.reason, 0) + 1
    ordered = sorted(groups.items(), key=lambda item: _order(item[0][0], len(item[1]), sizes))
    return [ReasonGroup(reason=reason, decisions=tuple(many)) for (reason, _), many in ordered]


def channels(log: Log) -> set[str]:
    """Return the channels that anything was decided about, or that a rule routes to."""
    named = {one.channel for many in log.decisions.values() for one in many if one.channel}
    told = (one.breach for many in log.breaches.values() for one in many)
    return named.union(*(routed(breach) for breach in told))


def routed(breach: Breach) -> set[str]:
    """Return the channels that a breach names, at whatever step."""
    steps = [name for step in breach.routing.escalation for name in step.channels]
    return {*breach.routing.channels, *steps}


def _order(reason: str, count: int, sizes: Mapping[str, int]) -> tuple[bool, int, str, int]:
    return reason == NOT_ROUTED, -sizes[reason], reason, -count


def _held(log: Log, channel: str, since_ms: int) -> Iterator[NotSent]:
    episodes = {one.breach.id: one.breach for told in log.breaches.values() for one in told}
    for many in log.decisions.values():
        for one in many:
            if one.reason not in NOT_SENT or one.now_ms < since_ms:
                continue
            if one.channel == channel or _all_of(one, channel, episodes):
                yield NotSent(
                    at_ms=one.now_ms,
                    reason=one.reason,
                    sentence=one.sentence,
                    fingerprint=one.fingerprint,
                    breach_id=one.breach_id,
                    rule=one.rule,
                    series=one.series,
                    severity=one.severity,
                    event=one.event,
                    until_ms=one.until_ms,
                )


def _all_of(one: Notification, channel: str, episodes: Mapping[str, Breach]) -> bool:
    """Whether a decision about all of an alert's channels is about this one too."""
    breach = episodes.get(one.breach_id or "")
    return one.channel is None and breach is not None and channel in routed(breach)


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
