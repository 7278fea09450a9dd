"""Decide what a breach, or the clock, means for its alert, and whom it notifies.

opened ---- firing ---- acknowledged
              |   raised   |
              |<-----------|
              |------ resolved ------|     another episode: opened
"""

from collections.abc import Iterable

import msgspec

from schemas.breaches import OUR_OWN, Breach
from schemas.notifications import Event
from streams.alerting.limits import escalates_ms, inhibits, reevaluated_ms
from streams.alerting.outbox import add_recipient, cancel, enqueue, pending, set_cooldown, without
from streams.alerting.pipeline import ALERT_STAGES, CHANNEL_STAGES, STAGES, decide, received, record
from streams.alerting.resolve_acknowledge import notify_judged_again, notify_not_judged, resolve
from streams.alerting.state import (
    RANK,
    AlertState,
    Phase,
    Recipient,
    Subject,
    Suppressed,
    breach_key,
)
from streams.alerting.transition import Candidate, Decision, Drop, Send, Stage, Transition
from streams.episodes import place, remember


def take_breach(
    context: Transition, alert: AlertState, breach: Breach, raw: bytes
) -> list[Decision]:
    """Apply a breach: of one episode the larger revision stands, of two the later one."""
    current = context.table.newest(alert) if alert.newest else None
    match place(current, alert.revisions, breach):
        case "repeat":
            last = alert.revisions[breach.id]
            why = f"Revision {breach.revision} of this episode is a repeat: it is at {last}."
            return [context.decision(alert, "duplicate", why, breach=breach)]
        case "late":
            assert current is not None
            return _take_late(context, alert, current, breach, raw)
        case "newest":
            ended: list[Decision] = []
            if current is not None and current.id != breach.id:
                # Nobody reported its end before another episode began.
                if alert.phase != "resolved":
                    ended = resolve(context, alert, current)
                current = None
            return [*ended, *_take_newest(context, alert, current, breach, raw)]


def _take_newest(
    context: Transition, alert: AlertState, before: Breach | None, breach: Breach, raw: bytes
) -> list[Decision]:
    was_over = before is not None and alert.phase == "resolved"
    _remember(alert, breach)
    context.table.set_newest(alert, raw, breach)
    if breach.state != "resolved":
        alert.inhibited_others = inhibits(breach) is not None
        if before is not None and not was_over:
            return _take_update(context, alert, before, breach)
        _enter(context, alert, "firing")
        alert.firing_ms, alert.escalated, alert.acknowledged_by = context.now_ms, 0, ""
        alert.not_judged_ms, alert.awaits_judgement = 0, False
        return notify(context, alert, "opened", 0, breach.routing.channels)
    if was_over:
        why = "It is over already: nobody is notified again."
        return [context.decision(alert, "updated", why)]
    _enter(context, alert, "resolved")
    decisions = resolve(context, alert, breach)
    if breach.why in OUR_OWN:
        alert.cooldowns = without(alert.cooldowns, alert.ended_by_us, breach.id)
        alert.ended_by_us = breach.id
    return decisions


def _take_update(
    context: Transition, alert: AlertState, before: Breach, breach: Breach
) -> list[Decision]:
    rises = RANK[breach.severity] > RANK[before.severity]
    if rises and alert.phase == "acknowledged":
        _enter(context, alert, "firing")
        alert.firing_ms = context.now_ms
        alert.acknowledged_by = ""
    if breach.why == "rule_changed":  # its time intervals may be others: the next tick decides
        alert.suppressed = [
            msgspec.structs.replace(it, until_ms=0) if it.reason == "muted" else it
            for it in alert.suppressed
        ]
    stale = [suppressed for suppressed in alert.suppressed if suppressed.reason == "stale"]
    if stale and not breach.stale:
        return _notify_again(context, alert, stale)
    decisions = _notify_raised(context, alert) if rises else []
    if not decisions:
        if breach.why == "rule_changed":
            decisions = _notify_added(context, alert, before)
        elif not breach.judged:
            decisions = notify_not_judged(context, alert)
        elif alert.awaits_judgement:
            decisions = notify_judged_again(context, alert)
    if decisions:
        return decisions
    why = f"It changed ({breach.why.replace('_', ' ')}), and nobody needs a notification."
    return [context.decision(alert, "updated", why)]


def _take_late(
    context: Transition, alert: AlertState, current: Breach, breach: Breach, raw: bytes
) -> list[Decision]:
    """Apply what belongs to an episode that a later one has followed."""
    _remember(alert, breach)
    open_to = [r for r in alert.recipients if r.breach_id == breach.id and not r.resolve]
    if open_to and breach.state == "resolved":
        alert.breaches[breach_key(breach)] = raw
        suppressed, alert.suppressed = alert.suppressed, []  # they are the later episode's
        decisions = resolve(context, alert, breach)
        alert.suppressed = suppressed
        return decisions
    why = f"Too late: episode {current.id} has followed this one."
    return [context.decision(alert, "not_told", why, breach=breach)]


def _remember(alert: AlertState, breach: Breach) -> None:
    notified = {recipient.breach_id for recipient in alert.recipients}
    notified.add(alert.newest.rpartition("/")[0])
    alert.revisions = remember(alert.revisions, breach, notified)


def _enter(context: Transition, alert: AlertState, phase: Phase) -> None:
    if alert.phase != phase:
        alert.phase = phase
        alert.since_ms = context.now_ms


# ---------------------------------------------------------------------- the clock


def reevaluate(context: Transition, alert: AlertState) -> list[Decision]:
    """Decide again on the notifications whose suppression has ended."""
    due = []
    for suppressed in alert.suppressed:
        at_ms = reevaluated_ms(context.table, suppressed)
        if at_ms is not None and at_ms <= context.now_ms:
            due.append(suppressed)
    return _notify_again(context, alert, due)


def escalate(context: Transition, alert: AlertState) -> list[Decision]:
    """Notify the channels of the escalation steps that are due."""
    decisions = []
    while (due_ms := escalates_ms(context.table, alert)) is not None and due_ms <= context.now_ms:
        alert.escalated += 1
        channels = context.table.newest(alert).routing.channels_at(alert.escalated)
        decisions += notify(context, alert, "escalated", alert.escalated, channels)
    return decisions


# ---------------------------------------------------------------------- notify


def notify(
    context: Transition, alert: AlertState, event: Event, level: int, channels: Iterable[str]
) -> list[Decision]:
    """Notify all channels of an opening or an escalation, or note that it is evaluated again."""
    notification = Candidate(context.table.newest(alert), "", event, level)
    names = list(dict.fromkeys(channels))
    if not names:
        why = "The rule names no channel: nobody is notified."
        return [context.decision(alert, "no_channel", why, event=event)]
    verdict = decide(ALERT_STAGES, alert, notification, context)
    if not isinstance(verdict, Send):
        return [record(context, alert, notification, verdict)]
    return _notify_each(context, alert, notification, names)


def notify_channel(
    context: Transition,
    alert: AlertState,
    notification: Candidate,
    stages: tuple[Stage, ...] = CHANNEL_STAGES,
) -> list[Decision]:
    """Notify one channel, or its fallback, if the stages let it pass."""
    verdict = decide(stages, alert, notification, context)
    if isinstance(verdict, Send):
        return _enqueue(context, alert, notification)
    decisions = [record(context, alert, notification, verdict)]
    if isinstance(verdict, Drop) and verdict.fallback:
        failed, fallback = notification.channel, verdict.fallback
        event = notification.event
        decisions.append(fallback_decision(context, alert, failed, fallback, event))
        instead = notification._replace(channel=fallback, tried=(*notification.tried, failed))
        decisions += notify_channel(context, alert, instead)
    return decisions


def fallback_decision(
    context: Transition, alert: Subject, failed: str, fallback: str, event: Event
) -> Decision:
    """Return the decision to notify a fallback instead of the channel that failed."""
    why = f"{fallback} is notified instead of {failed}."
    return context.decision(alert, "fallback", why, channel=fallback, event=event)


def _notify_each(
    context: Transition, alert: AlertState, notification: Candidate, channels: Iterable[str]
) -> list[Decision]:
    decisions = []
    for channel in channels:
        decisions += notify_channel(context, alert, notification._replace(channel=channel))
    return decisions


def _notify_again(context: Transition, alert: AlertState, due: list[Suppressed]) -> list[Decision]:
    """Decide again on suppressed notifications."""
    alert.suppressed = [suppressed for suppressed in alert.suppressed if suppressed not in due]
    decisions = []
    breach = context.table.newest(alert)
    for suppressed in due:
        channel, event, level = suppressed.channel, suppressed.event, suppressed.level
        if channel:
            notification = Candidate(breach, channel, event, level)
            decisions += notify_channel(context, alert, notification, STAGES)
        else:
            channels = breach.routing.channels_at(level)
            decisions += notify(context, alert, event, level, channels)
    return decisions


def _notify_raised(context: Transition, alert: AlertState) -> list[Decision]:
    """Notify recipients that the severity rose, and the other channels of the opening."""
    if any(not suppressed.channel for suppressed in alert.suppressed):
        return []  # nobody is notified for now; evaluated again, as it then stands
    breach = context.table.newest(alert)
    recipients = [r.channel for r in alert.recipients if r.breach_id == breach.id]
    channels = list(dict.fromkeys([*breach.routing.channels, *recipients]))
    notification = Candidate(breach, "", "opened")
    verdict = decide(ALERT_STAGES, alert, notification, context)
    if not isinstance(verdict, Send):
        return [record(context, alert, notification, verdict)]
    alert.suppressed = [s for s in alert.suppressed if s.channel not in channels]
    return _notify_each(context, alert, notification, channels)


def _notify_added(context: Transition, alert: AlertState, before: Breach) -> list[Decision]:
    """Notify the channels that another rule file adds to an open alert's route."""
    routed = context.table.newest(alert).routing.channels
    added = [channel for channel in routed if channel not in before.routing.channels]
    if added and all(suppressed.channel for suppressed in alert.suppressed):
        return notify(context, alert, "opened", 0, added)
    return []


def _enqueue(context: Transition, alert: AlertState, notification: Candidate) -> list[Decision]:
    """Send what passed the stages: a new opening, or a higher severity."""
    recipient = received(alert, notification)
    if recipient is not None and not alert.is_lost(recipient):
        return _raise(context, alert, notification.breach, recipient)
    incident = recipient.incident if recipient is not None else ""
    delivery, decision = enqueue(context, alert, notification._replace(incident=incident))
    delivery.ambiguous = recipient is not None
    add_recipient(context, alert, delivery)
    set_cooldown(context, alert, delivery, notification.breach.routing.cooldown_ms)
    return [decision]


def _raise(
    context: Transition, alert: AlertState, breach: Breach, recipient: Recipient
) -> list[Decision]:
    """Notify a recipient that it is worse now; an opening that is not sent yet says so itself."""
    waiting, in_flight = pending(context, alert, [recipient])
    own = (d for d in waiting if d.event == recipient.event and not d.waits_for)
    opener = next(own, None) if recipient.state == "pending" else None
    why = "Its severity rose before it was sent: sent as it stands now."
    decisions = [cancel(context, alert, delivery, why) for delivery in waiting]
    notification = Candidate(
        breach,
        recipient.channel,
        recipient.event if opener is not None else "severity_raised",
        recipient.level,
        recipient.incident,
        waits_for=in_flight.id if in_flight is not None else "",
    )
    delivery, decision = enqueue(context, alert, notification, opener)
    if opener is not None:
        recipient.delivery = delivery.id
    recipient.severity = breach.severity
    set_cooldown(context, alert, delivery, breach.routing.cooldown_ms)
    return [*decisions, decision]
