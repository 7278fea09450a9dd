"""Notify those who were notified of an episode: that it is over, acknowledged or not judged.

An alert for which there are no operations any more goes on to fire: nobody knows that it is well.
PagerDuty's incident stays open and is sent nothing; an escalation goes on.

    operations  x x x . . . . . . . x x
    sent        opened      not judged judged again
"""

from schemas.breaches import Breach
from schemas.notifications import Event, Reason
from streams.alerting.outbox import add_recipient, cancel, enqueue, pending
from streams.alerting.pipeline import UNUSABLE
from streams.alerting.state import OPENINGS, AlertState, Delivery, Recipient, Subject
from streams.alerting.transition import Candidate, Decision, Transition

NOBODY = "-"
"""In Recipient.resolve: no end is sent."""


def resolve(context: Transition, alert: AlertState, breach: Breach) -> list[Decision]:
    """Send an episode's end to every channel that was notified of it.

    Args:
        context: the input being applied.
        alert: whose episode it is.
        breach: the episode as it ended.
    """
    decisions = []
    for suppressed in alert.suppressed:
        if suppressed.reason in UNUSABLE:
            continue
        channel, event = suppressed.channel, suppressed.event
        why = (
            f"It resolved before {channel or 'any channel'} was notified;"
            f" suppressed until then: {suppressed.reason}."
        )
        decisions.append(
            context.decision(alert, "cancelled", why, breach=breach, channel=channel, event=event)
        )
    alert.suppressed = []
    by_incident: dict[tuple[str, str], list[Recipient]] = {}
    for recipient in alert.recipients:
        if recipient.breach_id == breach.id and not recipient.resolve:
            pager = context.has_incidents(recipient.channel)
            incident = recipient.incident if pager else ""
            by_incident.setdefault((recipient.channel, incident), []).append(recipient)
    for recipients in by_incident.values():
        decisions += _resolve_incident(context, alert, breach, recipients)
    if decisions:
        return decisions
    why = "It is over; nobody was notified of it."
    return [context.decision(alert, "not_told", why, breach=breach, event="resolved")]


def _resolve_incident(
    context: Transition, alert: AlertState, breach: Breach, recipients: list[Recipient]
) -> list[Decision]:
    """Send the end to one channel; of PagerDuty's incidents to one."""
    channel = recipients[0].channel
    reached = [recipient for recipient in recipients if recipient.state != "failed"]
    if not reached:
        _send_no_end(recipients)
        why = f"{channel} never got the opening, so it does not get the end."
        return [_not_sent(context, alert, breach, channel, "not_told", why)]
    waiting, in_flight = pending(context, alert, reached)
    opener = next((d for d in waiting if d.event in OPENINGS and not d.waits_for), None)
    unsent = in_flight is None and all(recipient.state == "pending" for recipient in reached)
    replaced = opener if unsent else None
    why = "The alert is over" + (": sent together with its end." if replaced else ".")
    decisions = [cancel(context, alert, delivery, why) for delivery in waiting]
    if replaced is None and in_flight is None and _is_shared(context, alert, reached):
        _send_no_end(reached)
        why = "Its incident is shared with alerts that still fire: closed with the last of them."
        return [*decisions, _not_sent(context, alert, breach, channel, "grouped", why)]
    last = max(reached, key=lambda recipient: recipient.level)
    notification = Candidate(
        breach,
        channel,
        "resolved",
        last.level,
        last.incident,
        with_opening=in_flight is None and all(r.state != "sent" for r in reached),
        waits_for=in_flight.id if in_flight is not None else "",
    )
    delivery, decision = enqueue(context, alert, notification, replaced)
    for recipient in reached:
        recipient.resolve = delivery.id
    return [*decisions, decision]


def _not_sent(
    context: Transition, alert: AlertState, breach: Breach, channel: str, reason: Reason, why: str
) -> Decision:
    return context.decision(alert, reason, why, breach=breach, channel=channel, event="resolved")


def _is_shared(context: Transition, subject: Subject, recipients: list[Recipient]) -> bool:
    """Whether other alerts fire under the same incident of PagerDuty."""
    if not context.has_incidents(recipients[0].channel):
        return False
    places = context.table.incidents.get(recipients[0].incident, set())
    return any(key != subject.key for key, _, _ in places)


def resolve_with_opening(
    context: Transition,
    alert: Subject,
    delivery: Delivery,
    breach: Breach,
    channel: str,
    tried: tuple[str, ...],
) -> list[Decision]:
    """Notify a channel, in one message, that an episode opened and resolved.

    Args:
        context: the input being applied.
        alert: whose episode it is.
        delivery: what was to report the opening.
        breach: the episode as it is to be reported.
        channel: where.
        tried: channels that could not be reached before.
    """
    refused = context.refusal(channel, breach.severity)
    if refused is not None:
        reason, why = refused.reason, refused.sentence
        return [context.decision(alert, reason, why, channel=channel, event="resolved")]
    place = (channel, breach.id)
    states = [r.state for r in alert.recipients if (r.channel, r.breach_id) == place]
    if any(state != "failed" for state in states):
        why = f"{channel} is notified of it already."
        return [context.decision(alert, "duplicate", why, channel=channel)]
    notification = Candidate(
        breach, channel, "resolved", delivery.level, tried=tried, with_opening=True
    )
    new, decision = enqueue(context, alert, notification)
    add_recipient(context, alert, new).resolve = new.id
    return [decision]


# ---------------------------------------------------------------------- after a delivery


def succeed(
    context: Transition, subject: Subject, before: Delivery, *, through: bool | None
) -> list[Decision]:
    """Let what waited for a delivery go on, or take the place of what was not delivered.

    Args:
        context: the input being applied.
        subject: what it is about.
        before: the delivery.
        through: whether it was delivered; None: unknown, and it is not tried again.
    """
    decisions: list[Decision] = []
    for waiting in [d for d in subject.deliveries if d.pending and d.waits_for == before.id]:
        recipients = [r for r in subject.recipients if r.resolve == waiting.id]
        if before.pending:
            decisions += _take_place(context, subject, before, waiting)
        elif through is False and before.event in OPENINGS:
            _send_no_end(recipients)
            why = "Its opening could not be delivered, so there is nothing to add."
            decisions.append(cancel(context, subject, waiting, why))
        elif recipients and _is_shared(context, subject, recipients):
            _send_no_end(recipients)
            why = "Its incident is shared with alerts that still fire: closed with the last."
            decisions.append(cancel(context, subject, waiting, why))
        else:
            waiting.waits_for = ""
            waiting.not_before_ms = context.now_ms
            waiting.with_opening = waiting.event == "resolved" and through is None
    return decisions


def _take_place(
    context: Transition, subject: Subject, before: Delivery, waiting: Delivery
) -> list[Decision]:
    """Send what waited in place of what has to be tried again."""
    unsent = before.event in OPENINGS and all(
        recipient.state == "pending"
        for recipient in subject.recipients
        if recipient.delivery == before.id
    )
    why = "It was not delivered and more is to be sent: in one message."
    decisions = [cancel(context, subject, before, why)]
    ends = waiting.event == "resolved"
    notification = Candidate(
        context.table.breach(subject, waiting.breach_key),
        waiting.channel,
        before.event if unsent and not ends else waiting.event,
        waiting.level,
        waiting.incident,
        with_opening=unsent and ends,
    )
    why = "Sent in place of what was not delivered."
    decisions.append(cancel(context, subject, waiting, why))
    delivery, decision = enqueue(context, subject, notification, before)
    for recipient in subject.recipients:
        if recipient.resolve == waiting.id:
            recipient.resolve = delivery.id
        if unsent and recipient.delivery == before.id and delivery.event != "resolved":
            recipient.delivery = delivery.id
    return [*decisions, decision]


# ---------------------------------------------------------------------- acknowledged, not judged


def acknowledge(context: Transition, alert: AlertState, *, opening: str = "") -> list[Decision]:
    """Let PagerDuty know that somebody works on it; other channels are not bothered.

    Args:
        context: the input being applied.
        alert: the acknowledged one.
        opening: only of what this delivery opened; empty: of all that was.
    """
    breach = context.table.newest(alert)
    by_incident = {
        (recipient.channel, recipient.incident): recipient
        for recipient in sorted(alert.recipients, key=lambda recipient: recipient.level)
        if recipient.breach_id == breach.id
        and opening in ("", recipient.delivery)
        and recipient.state in ("sent", "unknown")
        and not recipient.resolve
        and context.has_incidents(recipient.channel)
    }
    decisions = []
    for recipient in by_incident.values():
        channel, level, incident = recipient.channel, recipient.level, recipient.incident
        by = alert.acknowledged_by
        notification = Candidate(breach, channel, "acknowledged", level, incident, by=by)
        decisions.append(enqueue(context, alert, notification)[1])
    return decisions


def notify_not_judged(context: Transition, alert: AlertState) -> list[Decision]:
    """Notify that the newest episode is no longer judged, once within a cooldown."""
    breach = context.table.newest(alert)
    last_ms, cooldown_ms = alert.not_judged_ms, breach.routing.cooldown_ms
    if alert.awaits_judgement or (last_ms and context.now_ms < last_ms + cooldown_ms):
        return []
    decisions = _notify_of_judgement(context, alert, "not_judged")
    if any(decision.reason != "updated" for decision in decisions):
        alert.not_judged_ms, alert.awaits_judgement = context.now_ms, True
    return decisions


def notify_judged_again(context: Transition, alert: AlertState) -> list[Decision]:
    """Notify those of "no longer judged" that it is judged again, and still true."""
    alert.awaits_judgement = False
    return _notify_of_judgement(context, alert, "judged_again")


def _notify_of_judgement(context: Transition, alert: AlertState, event: Event) -> list[Decision]:
    breach = context.table.newest(alert)
    by_channel = {
        recipient.channel: recipient
        for recipient in sorted(alert.recipients, key=lambda recipient: recipient.level)
        if recipient.breach_id == breach.id
        and recipient.state != "failed"
        and not recipient.resolve
        and not context.has_incidents(recipient.channel)
    }
    decisions = []
    for channel, recipient in by_channel.items():
        waiting, in_flight = pending(context, alert, [recipient])
        if any(delivery.event in OPENINGS for delivery in waiting):
            why = f"{channel} has not got the opening yet, so it gets nothing more ({event})."
            decisions.append(context.decision(alert, "updated", why, channel=channel, event=event))
            continue
        waits_for = in_flight.id if in_flight is not None else ""
        level, incident = recipient.level, recipient.incident
        notification = Candidate(breach, channel, event, level, incident, waits_for=waits_for)
        decisions.append(enqueue(context, alert, notification)[1])
    return decisions


def _send_no_end(recipients: list[Recipient]) -> None:
    for recipient in recipients:
        recipient.resolve = NOBODY
