"""Put notifications in the outbox, and keep who receives them and their cooldowns."""

from schemas.notifications import Reason
from streams.alerting.grouping import Placement
from streams.alerting.limits import DEADLINE_MS, NEVER_MS, RESOLVE_DEADLINE_MS
from streams.alerting.state import (
    OPENINGS,
    RANK,
    AlertState,
    Cooldown,
    Delivery,
    Recipient,
    Subject,
    breach_key,
    digest,
)
from streams.alerting.transition import (
    SEND,
    Candidate,
    Decision,
    Suppress,
    Transition,
    Verdict,
)
from streams.channels.registry import traits
from streams.channels.text_format import moment


def enqueue(
    context: Transition,
    subject: Subject,
    notification: Candidate,
    replaced: Delivery | None = None,
) -> tuple[Delivery, Decision]:
    """Add a delivery to its subject; return it with the decision that says how it is sent.

    Args:
        context: the input being applied.
        subject: what it is about.
        notification: what passed the stages.
        replaced: an unsent delivery whose place it takes.
    """
    channel, breach = notification.channel, notification.breach
    delivery_id = _new_id(subject, notification)
    group_key = "" if notification.waits_for or replaced else _group_key(context, notification)
    placement = Placement("", context.now_ms)
    if group_key:
        placement = _place(context, channel, group_key, delivery_id)
    batch = placement.batch or delivery_id
    own_incident = f"{subject.key}/{breach.id}"
    delivery = Delivery(
        id=delivery_id,
        channel=channel,
        event=notification.event,
        level=notification.level,
        breach_id=breach.id,
        breach_key=breach_key(breach),
        severity=breach.severity,
        incident=notification.incident or (batch if placement.batch else own_incident),
        created_ms=context.now_ms,
        not_before_ms=placement.not_before_ms,
        deadline_ms=placement.not_before_ms + _patience_ms(notification),
        batch=batch,
        head=batch not in context.table.batches.members,
        waits_for=notification.waits_for,
        with_opening=notification.with_opening,
        group_key=group_key,
        storm=placement.storm,
        tried=list(notification.tried),
        by=notification.by,
    )
    if replaced is not None:
        _take_place(delivery, replaced)
    subject.deliveries = [*subject.deliveries, delivery]
    return delivery, _decision(context, subject, delivery, notification)


def cancel(
    context: Transition,
    subject: Subject,
    delivery: Delivery,
    why: str,
    reason: Reason = "cancelled",
    until_ms: int | None = None,
) -> Decision:
    """End a delivery that is not to be sent any more."""
    delivery.outcome = "cancelled"
    delivery.finished_ms = context.now_ms
    return context.about(subject, delivery, reason, why, until_ms=until_ms)


def add_recipient(context: Transition, alert: Subject, delivery: Delivery) -> Recipient:
    """Note that an opening or escalation is pending for a channel: its end is sent there too."""
    new = Recipient(
        delivery.channel,
        delivery.breach_id,
        delivery.level,
        delivery.severity,
        delivery.event,
        delivery.incident,
        delivery.id,
        "pending",
        context.now_ms,
    )
    others = [recipient for recipient in alert.recipients if place_of(recipient) != place_of(new)]
    alert.recipients = [*others, new]
    return new


def set_cooldown(context: Transition, alert: Subject, delivery: Delivery, cooldown_ms: int) -> None:
    """Begin, or prolong, the cooldown of what a channel receives; forget those that are over."""
    now_ms = context.now_ms
    until_ms = min(now_ms + cooldown_ms, NEVER_MS)
    names = (delivery.channel, delivery.severity, delivery.breach_id)
    others = []
    for cooldown in alert.cooldowns:
        if (cooldown.channel, cooldown.severity, cooldown.breach_id) == names:
            until_ms = max(until_ms, cooldown.until_ms)
        elif cooldown.until_ms > now_ms:
            others.append(cooldown)
    own = [Cooldown(*names, until_ms)] if until_ms > now_ms else []
    alert.cooldowns = [*others, *own]


def end_cooldown(alert: Subject, delivery: Delivery) -> None:
    """Forget the cooldown of an episode on a channel that was not notified after all."""
    episode = (delivery.channel, delivery.breach_id)
    alert.cooldowns = [
        cooldown
        for cooldown in alert.cooldowns
        if (cooldown.channel, cooldown.breach_id) != episode
    ]


def cooled(cooldowns: list[Cooldown], notification: Candidate, context: Transition) -> Verdict:
    """Suppress an opening until the last cooldown of its severity or a higher one ends.

        sent high     until
       |------------|        high, medium of another episode: suppressed; critical: sent

    An episode's own counts too: it may end and open again under its id.
    """
    channel, severity = notification.channel, notification.breach.severity
    lasting = [
        cooldown
        for cooldown in cooldowns
        if cooldown.channel == channel
        and RANK[cooldown.severity] >= RANK[severity]
        and cooldown.until_ms > context.now_ms
    ]
    if not lasting:
        return SEND
    last = max(lasting, key=lambda cooldown: cooldown.until_ms)
    why = (
        f"{channel} was notified of it as {last.severity} lately, or is about to be:"
        f" cooldown until {moment(last.until_ms)}."
    )
    return Suppress(notification.suppressed("cooldown", last.until_ms), why)


def without(cooldowns: list[Cooldown], *breach_ids: str) -> list[Cooldown]:
    """Return the cooldowns without those of some episodes."""
    return [cooldown for cooldown in cooldowns if cooldown.breach_id not in breach_ids]


def upcoming(alert: AlertState, notification: Candidate, context: Transition) -> list[Cooldown]:
    """Return the cooldowns that pending deliveries of earlier episodes are about to set."""
    breach, channel = notification.breach, notification.channel
    until_ms = min(context.now_ms + breach.routing.cooldown_ms, NEVER_MS)
    return [
        Cooldown(channel, delivery.severity, delivery.breach_id, until_ms)
        for delivery in alert.deliveries
        if delivery.pending
        and delivery.channel == channel
        and delivery.breach_id != breach.id
        and (delivery.event not in ("resolved", "acknowledged") or delivery.with_opening)
    ]


def pending(
    context: Transition, alert: AlertState, recipients: list[Recipient]
) -> tuple[list[Delivery], Delivery | None]:
    """Return what is still to be sent to recipients: what waits, and what is in flight."""
    places = {place_of(recipient) for recipient in recipients}
    unsent = [d for d in alert.deliveries if d.pending and place_of(d) in places]
    in_flight = [d for d in unsent if not d.waits_for and context.table.batches.in_flight(d)]
    waiting = [delivery for delivery in unsent if delivery not in in_flight]
    return waiting, in_flight[-1] if in_flight else None


def place_of(item: Recipient | Delivery) -> tuple[str, str, int]:
    """Return channel, episode and level."""
    return item.channel, item.breach_id, item.level


def _take_place(new: Delivery, old: Delivery) -> None:
    """Let a delivery take the place of an unsent one: its batch, times and attempts."""
    shared = old.batch != old.id
    new.batch = old.batch if shared else new.id
    new.head = old.head if shared else True
    new.attempts, new.not_before_ms, new.ambiguous = old.attempts, old.not_before_ms, old.ambiguous
    new.deadline_ms = max(old.deadline_ms, new.deadline_ms if new.ambiguous else 0)
    new.incident = old.incident
    new.tried = old.tried
    new.waits_for = ""


def _place(context: Transition, channel: str, group_key: str, delivery_id: str) -> Placement:
    """Return the batch to join; one that was tried is not joined any more."""
    configured = context.channels.by_name.get(channel)
    max_size = traits(configured).max_alerts if configured is not None else 1
    batches = context.table.batches
    placement = batches.groups.place(channel, group_key, delivery_id, context.now_ms, max_size)
    head = batches.head_of(placement.batch) if placement.batch else None
    if head is not None and (head[1].lease is not None or head[1].attempts):
        return Placement("", context.now_ms)
    return placement


def _group_key(context: Transition, notification: Candidate) -> str:
    """Return with what this shares messages; PagerDuty closes one incident at a time."""
    event, level = notification.event, notification.level
    if event in ("acknowledged", "test"):
        return ""
    opens = event in OPENINGS and not notification.incident  # else one may be open already
    if not opens and context.has_incidents(notification.channel):
        return ""
    return f"{event}/{level}" if level else event


def _patience_ms(notification: Candidate) -> int:
    if notification.with_opening:
        return max(DEADLINE_MS.values())
    if notification.event == "resolved":
        return RESOLVE_DEADLINE_MS
    return DEADLINE_MS[notification.breach.severity]


def _new_id(subject: Subject, notification: Candidate) -> str:
    parts = (
        subject.key,
        notification.breach.id,
        notification.channel,
        notification.event,
        str(notification.level),
        notification.breach.severity,
        "with_opening" if notification.with_opening else "",
    )
    ids = {delivery.id for delivery in subject.deliveries}
    new, again = digest(*parts), 1
    while new in ids:
        new, again = digest(*parts, str(again)), again + 1
    return new


def _decision(
    context: Transition, subject: Subject, delivery: Delivery, notification: Candidate
) -> Decision:
    what = "opened and resolved" if delivery.with_opening else delivery.event.replace("_", " ")
    channel, at = delivery.channel, moment(delivery.not_before_ms)
    reason: Reason = "due"
    until_ms = None
    if delivery.waits_for:
        why = f"{channel} is notified ({what}) after the response to the message in flight."
    elif delivery.storm:
        reason, until_ms = "storm", delivery.not_before_ms
        why = f"{channel} had too many messages within a minute: in one summary at {at}."
    elif delivery.batch != delivery.id:
        reason, until_ms = "grouped", delivery.not_before_ms
        why = f"Grouped ({what}): goes to {channel} with others in one message at {at}."
    else:
        why = f"{channel} is notified ({what}), {delivery.severity}."
    return context.about(
        subject, delivery, reason, why, breach=notification.breach, until_ms=until_ms
    )
