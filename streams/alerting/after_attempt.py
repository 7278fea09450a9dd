"""Decide what a response means for every alert of its batch, and when a delivery is tried again."""

import msgspec

from schemas.notifications import Event, GaveUp
from streams.alerting.before_attempt import is_leased, is_notified, recheck
from streams.alerting.inputs import AttemptResult, why_gone
from streams.alerting.lifecycle import fallback_decision, notify_channel
from streams.alerting.limits import (
    BACKOFF_FIRST_MS,
    BACKOFF_MAX_MS,
    CIRCUIT_FAILURES,
    CIRCUIT_OPEN_MS,
    RETRY_AFTER_MAX_MS,
)
from streams.alerting.outbox import cancel, end_cooldown, place_of, set_cooldown
from streams.alerting.pipeline import ALERT_STAGES, UNUSABLE, decide, record
from streams.alerting.resolve_acknowledge import acknowledge, resolve_with_opening, succeed
from streams.alerting.state import (
    OPENINGS,
    PAGES,
    AlertState,
    Circuit,
    Delivery,
    Subject,
    Suppressed,
)
from streams.alerting.transition import Candidate, Decision, Send, Transition
from streams.channels.response_meaning import Rejected, Retry, Sent
from streams.channels.text_format import moment


def take_result(context: Transition, result: AttemptResult) -> None:
    """Apply what came of an attempt; that of a lease which is closed already changes nothing."""
    attempt, response = result.attempt, result.response
    found = context.table.batches.head_of(attempt.id)
    if found is None or not is_leased(found[1], attempt):
        return
    head, channel = found[1], attempt.channel
    circuit = context.table.circuit(channel)
    match response:
        case Sent():
            if circuit != Circuit():
                context.table.set_circuit(channel, Circuit())
            _sent(context, attempt.id, response, attempt.unnamed)
            if circuit.gone:
                release(context)
        case Retry():
            if response.requested:
                context.table.set_circuit(channel, after_failure(circuit, context.now_ms))
            _retry(
                context, head, response, backoff_ms(head.attempts, result.jitter, response.after_ms)
            )
            recheck(context, attempt.id)  # what was decided while it was under way
        case Rejected(gone=True):
            context.table.set_circuit(channel, Circuit(gone=True))
            give_up(context, attempt.id, "channel_gone", why_gone(channel), response.answer)
        case Rejected():
            why = f"{channel} refused it for good."
            give_up(context, attempt.id, "refused", why, response.answer)


def expire(context: Transition, subject: Subject) -> None:
    """End the leases that nobody closed in time, and give up what is past its deadline."""
    for head in list(subject.deliveries):
        if not (head.pending and head.head) or head.waits_for:
            continue
        if head.lease is not None:
            if head.lease.until_ms <= context.now_ms:  # the receiver may have accepted it
                _retry(context, head, Retry(ambiguous=True), 0)
        elif head.deadline_ms <= context.now_ms:
            why = f"{head.channel} could not be notified until {moment(head.deadline_ms)}."
            give_up(context, head.batch, "deadline", why, head.answer)


# ---------------------------------------------------------------------- tried again


def backoff_ms(attempt: int, jitter: float, after_ms: int | None) -> int:
    """Return how long to wait after an attempt: what the receiver asked for, else full jitter.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        attempt: how many there were, 1 after the first.
        jitter: a random number of [0, 1).
        after_ms: what the receiver asked for.
    """
    if after_ms is not None:
        return min(max(after_ms, 0), RETRY_AFTER_MAX_MS)
    doubled = BACKOFF_FIRST_MS << min(attempt, 20)
    return round(min(doubled, BACKOFF_MAX_MS) * jitter)


def after_failure(circuit: Circuit, now_ms: int) -> Circuit:
    """Return the circuit after one more failure: it opens at the limit, and after each probe."""
    failures = circuit.failures + 1
    opens = failures >= CIRCUIT_FAILURES
    open_until_ms = now_ms + CIRCUIT_OPEN_MS if opens else circuit.open_until_ms
    return Circuit(failures, open_until_ms, circuit.gone)


def _retry(context: Transition, head: Delivery, response: Retry, wait_ms: int) -> None:
    """Try a batch again later, or give it up if that is past its deadline."""
    channel, batch = head.channel, head.batch
    head.ambiguous = head.ambiguous or response.ambiguous
    open_until_ms = context.table.circuit(channel).open_until_ms
    not_before_ms = max(context.now_ms + wait_ms, open_until_ms)
    if not_before_ms >= head.deadline_ms:
        why = f"{channel} could not be reached until {moment(head.deadline_ms)}."
        give_up(context, batch, "deadline", why, response.answer)
        return
    head.lease = None
    head.not_before_ms = not_before_ms
    what = "It is unknown whether the receiver got it" if response.ambiguous else "Not delivered"
    why = f"{what if response.requested else 'Not sent'}; again at {moment(not_before_ms)}."
    if open_until_ms > context.now_ms:
        why += f" {channel} failed {CIRCUIT_FAILURES} times or more: nothing is sent until then."

    def try_again(subject: Subject, _: Delivery) -> list[Decision]:
        return [
            context.about(
                subject,
                head,
                "retry",
                why,
                until_ms=not_before_ms,
                attempt=head.attempts,
                answer=response.answer,
            )
        ]

    def go_on(subject: Subject, delivery: Delivery) -> list[Decision] | None:
        """Let what waits take its place; what may have been delivered begins a cooldown."""
        waits = any(d.pending and d.waits_for == delivery.id for d in subject.deliveries)
        if not (waits or response.ambiguous):
            return None
        if response.ambiguous:
            _cool(context, subject, delivery)
        return succeed(context, subject, delivery, through=False)

    members = context.table.batches.members_of(batch)
    context.settle_each(members[-1:], try_again)
    context.settle_each(list(context.table.batches.members[batch]), go_on)


# ---------------------------------------------------------------------- delivered


def _sent(context: Transition, batch: str, response: Sent, unnamed: frozenset[str]) -> None:
    """Note for every alert that a message names that it was delivered; its head comes last."""
    members = context.table.batches.members_of(batch)
    found = context.table.batches.head_of(batch)
    attempts = found[1].attempts if found is not None else 0

    def deliver(subject: Subject, delivery: Delivery) -> list[Decision]:
        if delivery.id in unnamed:
            return _summarise(context, subject, delivery, len(members))
        return _deliver(context, subject, delivery, attempts, response)

    context.settle_each(members, deliver)


def _deliver(
    context: Transition, subject: Subject, delivery: Delivery, attempts: int, response: Sent
) -> list[Decision]:
    delivery.lease = None
    delivery.outcome = "sent"
    delivery.finished_ms = context.now_ms
    delivery.answer = response.answer
    for recipient in subject.recipients:
        own = delivery.id in (recipient.delivery, recipient.resolve)
        if own and recipient.state != "failed":
            recipient.state = "sent"
            recipient.at_ms = context.now_ms
        if place_of(recipient) == place_of(delivery):
            recipient.sent_severity = delivery.severity
    _cool(context, subject, delivery)
    what = "delivered" if response.confirmed else "accepted, not confirmed as delivered"
    why = f"{delivery.channel}: {what} ({delivery.event.replace('_', ' ')})."
    sent = context.about(subject, delivery, "sent", why, attempt=attempts, answer=response.answer)
    decisions = [sent, *succeed(context, subject, delivery, through=True)]
    if (
        isinstance(subject, AlertState)
        and subject.phase == "acknowledged"
        and delivery.event in OPENINGS
    ):
        decisions += acknowledge(context, subject, opening=delivery.id)
    return decisions


def _summarise(
    context: Transition, subject: Subject, delivery: Delivery, count: int
) -> list[Decision]:
    """Note that a message was delivered that counts an alert and does not name it: not sent."""
    why = (
        f"One of {count} that a text message to {delivery.channel} counts; it names another, so"
        " this one is not sent there by name."
    )
    decisions = [cancel(context, subject, delivery, why, "summarised")]
    for recipient in subject.recipients:
        if recipient.delivery == delivery.id and recipient.state == "pending":
            recipient.state = "failed"
    _cool(context, subject, delivery)
    return [*decisions, *succeed(context, subject, delivery, through=False)]


def _cool(context: Transition, subject: Subject, delivery: Delivery) -> None:
    """Let the cooldown count from when the channel received it, or may have."""
    if delivery.event in PAGES or delivery.with_opening:
        breach = context.table.breach(subject, delivery.breach_key)
        set_cooldown(context, subject, delivery, breach.routing.cooldown_ms)


# ---------------------------------------------------------------------- failed for good


def give_up(
    context: Transition, batch: str, code: GaveUp, why: str, answer: str | None = None
) -> None:
    """Give a batch up for every alert in it; its head comes last.

    Args:
        context: the input being applied.
        batch: which.
        code: why.
        why: the same in a sentence.
        answer: the receiver's; None: its last one.
    """
    found = context.table.batches.head_of(batch)
    assert found is not None
    ambiguous, attempts = found[1].ambiguous, found[1].attempts
    answer = found[1].answer if answer is None else answer
    tries = f"after {attempts} attempt{'s' if attempts > 1 else ''}"
    why = f"{why} Gave up {tries if attempts else 'without an attempt'}."

    def give_up_delivery(subject: Subject, delivery: Delivery) -> list[Decision]:
        delivery.lease = None
        delivery.outcome = "gave_up"
        delivery.finished_ms = context.now_ms
        delivery.ambiguous = delivery.ambiguous or ambiguous
        delivery.answer, delivery.attempts = answer, attempts
        for recipient in subject.recipients:
            own = delivery.id in (recipient.delivery, recipient.resolve)
            if own and recipient.state == "pending":
                recipient.state = "unknown" if delivery.ambiguous else "failed"
        opens = delivery.event in OPENINGS or delivery.with_opening
        if opens and not is_notified(subject, delivery):
            end_cooldown(subject, delivery)
        gave_up = context.about(
            subject, delivery, "gave_up", why, attempt=attempts, answer=answer, gave_up=code
        )
        through = None if delivery.ambiguous else False
        decisions = [gave_up, *succeed(context, subject, delivery, through=through)]
        if isinstance(subject, AlertState) and (opens or delivery.event == "severity_raised"):
            decisions += _fall_back(context, subject, delivery)
        return decisions

    context.settle_each(context.table.batches.members_of(batch), give_up_delivery)


def _fall_back(context: Transition, alert: AlertState, delivery: Delivery) -> list[Decision]:
    """Notify the fallback of the channel that failed."""
    failed, level = delivery.channel, delivery.level
    channel = context.channels.by_name.get(failed)
    fallback = channel.fallback if channel is not None else None
    tried = (*delivery.tried, failed)
    if not fallback or fallback in tried:
        return []
    newest = context.table.newest(alert)
    event: Event = "escalated" if delivery.event == "escalated" else "opened"
    instead = fallback_decision(context, alert, failed, fallback, delivery.event)
    if alert.fires(delivery.breach_id) and not delivery.with_opening:
        notification = Candidate(newest, fallback, event, level, tried=tried)
        verdict = decide(ALERT_STAGES, alert, notification, context)
        if not isinstance(verdict, Send):
            return [record(context, alert, notification, verdict)]
        return [instead, *notify_channel(context, alert, notification)]
    breach = newest if newest.id == delivery.breach_id else None
    breach = breach or context.table.breach(alert, delivery.breach_key)
    return [instead, *resolve_with_opening(context, alert, delivery, breach, fallback, tried)]


def release(context: Transition) -> None:
    """Make what waits for a channel that can be used now due: the next tick decides again."""
    for state in list(context.table.states.values()):
        if not isinstance(state, AlertState):
            continue
        if any(s.reason in UNUSABLE and s.until_ms is None for s in state.suppressed):
            state.suppressed = [_released(context, state, s) for s in state.suppressed]
            context.settle(state)


def _released(context: Transition, alert: AlertState, suppressed: Suppressed) -> Suppressed:
    severity = context.table.newest(alert).severity
    if suppressed.reason not in UNUSABLE or context.refusal(suppressed.channel, severity):
        return suppressed
    return msgspec.structs.replace(suppressed, until_ms=0)
