"""Begin an attempt: decide again what its batch says, split it, and take the lease.

A delivery waits for its turn, for others to join it, for a retry. Meanwhile its alert may be
acknowledged, silenced, inhibited, resolved or updated; the state as it is now decides, not the
state as it was when the delivery was decided.
"""

from schemas.notifications import Event, GaveUp
from schemas.rules import SEVERITIES
from streams.alerting.inputs import Attempt, why_gone
from streams.alerting.outbox import cancel, end_cooldown, place_of
from streams.alerting.pipeline import ATTEMPT_STAGES, PAGE_STAGES, decide
from streams.alerting.resolve_acknowledge import acknowledge, succeed
from streams.alerting.state import (
    OPENINGS,
    PAGES,
    RANK,
    AlertState,
    Delivery,
    Lease,
    Subject,
    digest,
)
from streams.alerting.table import Table
from streams.alerting.transition import (
    SEND,
    Candidate,
    Decision,
    Drop,
    Send,
    Suppress,
    Transition,
    Verdict,
)
from streams.channels.message import Message
from streams.channels.registry import named, traits


def may_send(context: Transition, subject: Subject, delivery: Delivery) -> Verdict:
    """Return whether a delivery is still to be sent as its alert is now."""
    if not isinstance(subject, AlertState):
        return SEND
    newest = context.table.newest(subject)
    event, level, channel = delivery.event, delivery.level, delivery.channel
    notification = Candidate(newest, channel, event, level, delivery=delivery)
    return decide(ATTEMPT_STAGES.get(event, PAGE_STAGES), subject, notification, context)


def first_to_send(table: Table, batch: str, now_ms: int) -> str:
    """Return the batch to send first: a channel gets an alert's episodes in their order."""
    seen: set[str] = set()
    while batch not in seen and (found := table.batches.head_of(batch)) is not None:
        seen.add(batch)
        subject, head = found
        older = subject.deliveries[: subject.deliveries.index(head)]
        earlier = next((delivery for delivery in older if _precedes(delivery, head)), None)
        first = table.batches.head_of(earlier.batch) if earlier is not None else None
        if first is None or not _may_go(first[1], now_ms):
            break
        batch = first[1].batch
    return batch


def recheck(context: Transition, batch: str) -> bool:
    """Drop what is not to be sent any more, and let the rest say what is true now.

    Return whether anything of the batch is left.
    """
    head = context.table.batches.head_of(batch)
    ambiguous = head is not None and head[1].ambiguous

    def decide_again(subject: Subject, delivery: Delivery) -> list[Decision] | None:
        verdict = may_send(context, subject, delivery)
        if isinstance(verdict, Send):
            return [] if _update(context, subject, delivery) else None
        assert isinstance(subject, AlertState)
        return _end(context, subject, delivery, verdict, ambiguous=ambiguous)

    context.settle_each(context.table.batches.members_of(batch), decide_again)
    return batch in context.table.batches.members


def drop_acknowledged(context: Transition, alert: AlertState) -> list[Decision]:
    """Drop what waits to be sent of an alert that was acknowledged just now."""
    decisions = []
    for delivery in [delivery for delivery in alert.deliveries if delivery.pending]:
        head = context.table.batches.head_of(delivery.batch)
        in_flight = head is not None and head[1].lease is not None
        if delivery.event not in PAGES or delivery.waits_for or in_flight:
            continue
        verdict = may_send(context, alert, delivery)
        if not isinstance(verdict, Send):
            ambiguous = head is not None and head[1].ambiguous
            decisions += _end(context, alert, delivery, verdict, ambiguous=ambiguous)
    return decisions


def why_unsendable(context: Transition, batch: str) -> tuple[GaveUp, str] | None:
    """Return why no request is made for a batch any more, None if one is.

    A disabled channel still gets the ends of what it received; one that is gone only gets tests.
    """
    found = context.table.batches.head_of(batch)
    assert found is not None
    head = found[1]
    if context.table.circuit(head.channel).gone and head.event != "test":
        return "channel_gone", why_gone(head.channel)
    channel = context.channels.by_name.get(head.channel)
    ends = head.event == "resolved" and (head.ambiguous or not head.with_opening)
    if channel is None or channel.enabled or ends:
        return None
    return "channel_disabled", f"The channel {head.channel} is disabled in the rule file."


def begin(context: Transition, batch: str, generation: str, lease_ms: int) -> Attempt:
    """Begin an attempt to send a batch; what its message does not name goes in the next one."""
    table = context.table
    unnamed = _split(context, batch)
    found = table.batches.head_of(batch)
    assert found is not None
    subject, head = found
    head.attempts += 1
    head.lease = Lease(generation, head.attempts, context.now_ms + lease_ms)
    others = len(table.batches.members[batch]) - 1
    more = f", with {others} more in the same message" if others else ""
    why = f"Attempt {head.attempts} to tell {head.channel}{more}."
    attempted = context.about(subject, head, "attempted", why, attempt=head.attempts)
    context.settle(subject, [attempted])
    return Attempt(
        id=batch,
        channel=head.channel,
        row=subject.key,
        delivery=head.id,
        generation=generation,
        attempt=head.attempts,
        lease_until_ms=head.lease.until_ms,
        message=_message(table, batch),
        unnamed=unnamed,
    )


def is_leased(head: Delivery, attempt: Attempt) -> bool:
    """Whether an attempt's lease is the one that is open."""
    lease = head.lease
    return lease is not None and (lease.generation, lease.attempt) == (
        attempt.generation,
        attempt.attempt,
    )


def _split(context: Transition, batch: str) -> frozenset[str]:
    """Let what a message has no room to name go in another one.

    Return the deliveries that stay in it unnamed: a text message names one alert, and who is to
    read forty of them?
    """
    members = _in_order(context.table, batch)
    channel = context.channels.by_name.get(members[0][1].channel)
    if channel is None or len(members) == 1:
        return frozenset()
    rest = members[named(_message(context.table, batch), channel) :]
    if not rest or traits(channel).counts_unnamed:
        return frozenset(delivery.id for _, delivery in rest)
    name = digest("rest", batch, *(delivery.id for _, delivery in rest))
    keys = [(subject.key, delivery.id) for subject, delivery in rest]
    context.table.batches.split(batch, keys, name)
    for subject, delivery in rest:
        if delivery.incident == batch:  # it is opened by the message of its own
            delivery.incident = name
            for recipient in subject.recipients:
                if recipient.delivery == delivery.id:
                    recipient.incident = name
    for subject, _ in reversed(members):
        context.settle(subject)
    return frozenset()


def _end(
    context: Transition,
    alert: AlertState,
    delivery: Delivery,
    verdict: Suppress | Drop,
    *,
    ambiguous: bool,
) -> list[Decision]:
    """End a delivery that is not to be sent; it is not in flight.

    Args:
        context: the input being applied.
        alert: what it is about.
        delivery: the one.
        verdict: why.
        ambiguous: whether an attempt before may have been delivered: then its end is sent too.
    """
    suppressed = verdict.suppressed if isinstance(verdict, Suppress) else None
    until_ms = suppressed.until_ms if suppressed is not None else None
    decisions = [cancel(context, alert, delivery, verdict.sentence, verdict.reason, until_ms)]
    ambiguous = ambiguous or delivery.ambiguous
    if suppressed is not None:
        alert.suppressed = [*alert.suppressed, suppressed]
    for recipient in alert.recipients:
        ends = recipient.resolve == delivery.id
        if recipient.state == "pending" and (
            recipient.delivery == delivery.id or (ends and delivery.with_opening)
        ):
            recipient.state = "unknown" if ambiguous else "failed"
        if ends:
            recipient.resolve = ""  # it is still to be notified of the end
        if delivery.event == "severity_raised" and place_of(recipient) == place_of(delivery):
            recipient.severity = recipient.sent_severity or SEVERITIES[0]
    if not is_notified(alert, delivery):
        end_cooldown(alert, delivery)
    decisions += succeed(context, alert, delivery, through=None if ambiguous else False)
    if ambiguous and alert.phase == "acknowledged" and delivery.event in OPENINGS:
        decisions += acknowledge(context, alert, opening=delivery.id)
    return decisions


def is_notified(subject: Subject, delivery: Delivery) -> bool:
    """Whether a delivery's channel received its episode, or may have."""
    return any(
        recipient.state in ("sent", "unknown")
        for recipient in subject.recipients
        if (recipient.channel, recipient.breach_id) == (delivery.channel, delivery.breach_id)
    )


def _update(context: Transition, subject: Subject, delivery: Delivery) -> bool:
    """Let a page of what still fires say what is true of it now; return whether that is new."""
    if delivery.event not in PAGES or delivery.breach_key == subject.newest:
        return False
    severity = context.table.newest(subject).severity
    delivery.breach_key, delivery.severity = subject.newest, severity
    for recipient in subject.recipients:
        if recipient.delivery == delivery.id or place_of(recipient) == place_of(delivery):
            recipient.severity = severity
    return True


def _precedes(delivery: Delivery, other: Delivery) -> bool:
    """Whether a delivery ends another episode on the same channel before the other's."""
    return (
        delivery.pending
        and delivery.channel == other.channel
        and delivery.breach_id != other.breach_id
        and delivery.batch != other.batch
        and delivery.event == "resolved"
    )


def _may_go(head: Delivery, now_ms: int) -> bool:
    if head.lease is not None or head.waits_for:
        return False
    return head.not_before_ms <= now_ms or not (head.attempts or head.storm)


# ---------------------------------------------------------------------- messages


def _message(table: Table, batch: str) -> Message:
    """Return the message of a pending batch: the same bytes for the same members."""
    members = _in_order(table, batch)
    deliveries = [delivery for _, delivery in members]
    breaches = [table.breach(subject, delivery.breach_key) for subject, delivery in members]
    lead, alone = deliveries[0], len(members) == 1
    ids = sorted(delivery.id for delivery in deliveries)
    return Message(
        delivery=lead.id if alone else digest("batch", batch, *ids),
        event=_event(deliveries),
        breach=breaches[0],
        others=tuple(breaches[1:]),
        announces_opening=lead.with_opening,
        level=max(delivery.level for delivery in deliveries),
        created_ms=min(delivery.created_ms for delivery in deliveries),
        incident=lead.incident,
        acknowledged_by=lead.by,
    )


def _in_order(table: Table, batch: str) -> list[tuple[Subject, Delivery]]:
    """Return a batch's members in the order in which its message has them: the worst first."""
    members = [table.batches.member(member) for member in table.batches.members[batch]]
    return sorted(members, key=lambda member: _urgency(member[1]))


def _urgency(delivery: Delivery) -> tuple[bool, int, int, str]:
    over = delivery.event == "resolved"
    return over, -RANK[delivery.severity], delivery.created_ms, delivery.id


def _event(deliveries: list[Delivery]) -> Event:
    """Return what the message is: what all of its members are, else what the worst one is."""
    event = deliveries[0].event
    if len(deliveries) > 1 and event != "resolved" and any(d.storm for d in deliveries):
        return "summary"
    return event
