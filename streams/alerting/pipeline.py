"""Decide whether a notification is sent, suppressed or dropped: a list of stages, in order.

Each stage is pure: (alert, notification, context) -> Send, or why not. `decide` asks them in turn;
who asks records the answer. What passes all stages is sent: grouping.py decides in which batch.
"""

from collections.abc import Iterable

from schemas.breaches import Breach
from schemas.matchers import matches
from schemas.notifications import Event, Reason
from streams.alerting.limits import inhibits_until_ms
from streams.alerting.outbox import cooled, place_of, upcoming, without
from streams.alerting.state import RANK, AlertState, Delivery, Recipient, SilenceState
from streams.alerting.transition import (
    SEND,
    Candidate,
    Decision,
    Drop,
    Send,
    Stage,
    Suppress,
    Transition,
    Verdict,
)
from streams.channels.text_format import moment

UNUSABLE: tuple[Reason, ...] = ("unknown_channel", "channel_disabled", "undeliverable")
"""What another rule file, or a test that is delivered, may end: then evaluated again."""


def decide(
    stages: Iterable[Stage], alert: AlertState, notification: Candidate, context: Transition
) -> Verdict:
    """Return the first objection of a stage; Send if there is none."""
    for stage in stages:
        verdict = stage(alert, notification, context)
        if not isinstance(verdict, Send):
            return verdict
    return SEND


def record(
    context: Transition, alert: AlertState, notification: Candidate, verdict: Suppress | Drop
) -> Decision:
    """Return the decision of an objection; what is suppressed is noted in the alert."""
    until_ms = None
    event = notification.event
    if isinstance(verdict, Suppress):
        alert.suppressed = [*alert.suppressed, verdict.suppressed]
        until_ms = verdict.suppressed.until_ms
    elif verdict.event is not None:
        event = verdict.event
    return context.decision(
        alert,
        verdict.reason,
        verdict.sentence,
        channel=notification.channel,
        event=event,
        until_ms=until_ms,
    )


# ---------------------------------------------------------------------- of an alert


def acknowledged(alert: AlertState, _: Candidate, __: Transition) -> Verdict:
    """Notify nobody else while somebody works on it."""
    if alert.phase != "acknowledged":
        return SEND
    return Drop(
        "acknowledged", f"Acknowledged by {alert.acknowledged_by}: nobody else is notified."
    )


def stale(_: AlertState, notification: Candidate, __: Transition) -> Verdict:
    """Suppress what is long past, until a breach says that it is still true."""
    if not notification.breach.stale:
        return SEND
    why = "What is judged is long past: sent only if it is still true."
    return Suppress(notification.suppressed("stale", None), why)


def inhibited(_: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Suppress what follows from a service that is down, while its alert fires."""
    for key in context.table.inhibitors_of(notification.breach):
        until_ms = inhibits_until_ms(context.table, key)
        if until_ms is None or until_ms > context.now_ms:
            inhibitor = context.table.alert(key)
            assert inhibitor is not None
            breach = context.table.newest(inhibitor)
            why = f"Inhibited by {breach.rule} on {breach.series}: the service is down."
            return Suppress(notification.suppressed("inhibited", until_ms, key), why)
    return SEND


def silenced(_: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Suppress what a silence in force matches, until the last of them ends."""
    if not context.table.silences:
        return SEND
    labels = labels_of(notification.breach)
    in_force = []
    for key, silence in context.table.silences.items():
        state = context.table.states[key]
        assert isinstance(state, SilenceState)
        until_ms = silence.until_ms(context.now_ms, state.end_ms)
        if until_ms is not None and matches(silence.matchers, labels):
            in_force.append((until_ms, key))
    if not in_force:
        return SEND
    end_ms, key = max(in_force)
    silence = context.table.silences[key]
    comment = f" ({silence.comment})" if silence.comment else ""
    every = f" ({silence.every})" if silence.every else ""
    why = f"Silenced by {silence.by} until {moment(end_ms)}{every}{comment}, silence {silence.id}."
    return Suppress(notification.suppressed("silenced", end_ms, key), why)


def muted(_: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Suppress what time intervals of the rule file mute, until they do not."""
    found = notification.breach.routing.muted(context.now_ms)
    if found is None:
        return SEND
    why = f"Muted by the rule file until {moment(found.until_ms)}: {found.why}."
    return Suppress(notification.suppressed("muted", found.until_ms), why)


# ---------------------------------------------------------------------- of a channel


def routed(_: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Drop what the channel does not take; suppress it where that may end."""
    channel = notification.channel
    refused = context.refusal(channel, notification.breach.severity)
    if refused is None:
        return SEND
    if refused.fallback in (*notification.tried, channel):
        refused = refused._replace(fallback="")
    if refused.reason in UNUSABLE and not refused.fallback:
        suppressed = notification.suppressed(refused.reason, None)
        return Suppress(suppressed, refused.sentence)
    return refused


def repeated(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    """Drop what the channel was notified of already, unless it is worse now."""
    recipient = received(alert, notification)
    if recipient is None or alert.is_lost(recipient):
        return SEND
    if RANK[notification.breach.severity] > RANK[recipient.severity]:
        return SEND
    why = f"{recipient.channel} is notified of it already, as {recipient.severity}."
    return Drop("duplicate", why, event=recipient.event)


def cooling(alert: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Suppress an opening while its channel's cooldown lasts, unless its severity rose."""
    recipient = received(alert, notification)
    rises = recipient is not None and not alert.is_lost(recipient)
    if notification.event != "opened" or rises:
        return SEND
    cooldowns = [*alert.cooldowns, *upcoming(alert, notification, context)]
    return cooled(without(cooldowns, alert.ended_by_us), notification, context)


ALERT_STAGES: tuple[Stage, ...] = (acknowledged, stale, inhibited, silenced, muted)
"""What an alert's channels have in common: decided once for all of them."""
CHANNEL_STAGES: tuple[Stage, ...] = (routed, repeated, cooling)
STAGES = (*ALERT_STAGES, *CHANNEL_STAGES)


# ---------------------------------------------------------------------- stages before an attempt


def _fires_again(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    if not alert.fires(_delivery(notification).breach_id):
        return SEND
    why = f"It fires again before {notification.channel} was notified of its end."
    return Drop("cancelled", why)


def _judged_otherwise(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    judged = notification.breach.judged == (notification.event == "judged_again")
    if judged and alert.fires(_delivery(notification).breach_id):
        return SEND
    return Drop("cancelled", f"That changed before {notification.channel} was notified.")


def _not_acknowledged(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    if alert.phase == "acknowledged" and alert.fires(_delivery(notification).breach_id):
        return SEND
    why = f"It is not acknowledged any more, so {notification.channel} does not get that."
    return Drop("cancelled", why)


def _over(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    if alert.fires(_delivery(notification).breach_id):
        return SEND
    return Drop("cancelled", f"The alert was over before {notification.channel} was notified.")


def _acknowledged(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    if alert.phase != "acknowledged":
        return SEND
    by, channel = alert.acknowledged_by, notification.channel
    why = f"Acknowledged by {by} before it was sent: {channel} is not notified."
    return Drop("acknowledged", why)


def _below_severity(_: AlertState, notification: Candidate, context: Transition) -> Verdict:
    refused = context.refusal(notification.channel, notification.breach.severity)
    return refused if refused is not None and refused.reason == "below_severity" else SEND


def _fell_again(alert: AlertState, notification: Candidate, _: Transition) -> Verdict:
    if notification.event != "severity_raised":
        return SEND
    place = place_of(_delivery(notification))
    sent = [r.sent_severity for r in alert.recipients if place_of(r) == place and r.sent_severity]
    if not sent or RANK[notification.breach.severity] > RANK[sent[0]]:
        return SEND
    why = f"Its severity fell again before {notification.channel} was notified that it rose."
    return Drop("cancelled", why)


def _unrouted(alert: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Drop what the rule routed when it was decided, and does not any more."""
    delivery = _delivery(notification)
    if delivery.breach_key == alert.newest:
        return SEND
    before = context.table.breach(alert, delivery.breach_key)
    was, now = (
        breach.routing.channels_at(delivery.level) for breach in (before, notification.breach)
    )
    if delivery.channel not in was or delivery.channel in now:
        return SEND
    return Drop("cancelled", f"The rule does not route to {delivery.channel} any more.")


def _milder(alert: AlertState, notification: Candidate, context: Transition) -> Verdict:
    """Suppress what became milder, if another episode's cooldown covers it now."""
    breach = notification.breach
    is_milder = RANK[breach.severity] < RANK[_delivery(notification).severity]
    if not is_milder or notification.event == "escalated":
        return SEND
    cooldowns = without(alert.cooldowns, alert.ended_by_us, breach.id)
    verdict = cooled(cooldowns, notification, context)
    if isinstance(verdict, Suppress):
        return verdict._replace(sentence=f"It is {breach.severity} now: {verdict.sentence}")
    return verdict


PAGE_STAGES: tuple[Stage, ...] = (
    _over,
    _acknowledged,
    _below_severity,
    _fell_again,
    _unrouted,
    _milder,
    inhibited,
    silenced,
    muted,
)
ATTEMPT_STAGES: dict[Event, tuple[Stage, ...]] = {
    "resolved": (_fires_again,),
    "not_judged": (_judged_otherwise,),
    "judged_again": (_judged_otherwise,),
    "acknowledged": (_not_acknowledged,),
}


# ---------------------------------------------------------------------- what stages share


def received(alert: AlertState, notification: Candidate) -> Recipient | None:
    """Return what the channel has received of the episode; an escalation has its own level."""
    level = None if notification.event == "opened" else notification.level
    return alert.recipient(notification.channel, notification.breach.id, level)


def labels_of(breach: Breach) -> dict[str, str]:
    """Return what matchers can ask of: the labels, the rule, the severity, the series."""
    own = {"rule": breach.rule, "severity": breach.severity, "series": breach.series}
    return {"kind": breach.kind, "fingerprint": breach.fingerprint} | breach.labels | own


def _delivery(notification: Candidate) -> Delivery:
    assert notification.delivery is not None
    return notification.delivery
