"""Define what alerting is limited to: its waits, tries and memory, and what is due by the clock."""

from typing import Protocol

from schemas.breaches import Breach
from schemas.rules import Severity
from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from streams.alerting.state import (
    AlertState,
    ChannelState,
    CommandState,
    Delivery,
    SilenceState,
    State,
    Subject,
    Suppressed,
)

NEVER_MS = 2**63 - 1
"""The latest time that a state can hold."""

ROWS_A_TICK = 500
"""A tick handles at most this many due states, then lets other inputs go first."""

MAX_SILENCES = 500
"""Every alert is matched against each silence that has not ended."""

GROUP_WAIT_MS = 5 * SECOND_MS
"""What follows the first message of a channel within this time goes in one more message."""

STORM_WINDOW_MS = MINUTE_MS
STORM_MESSAGES = 10
"""More messages than this of one kind on one channel in a storm's window are a storm."""
STORM_WAIT_MS = 30 * SECOND_MS
"""What a storm's summary gathers."""

INHIBITION_AFTERMATH_MS = MINUTE_MS
"""A service that is back still inhibits for this long, while windows forget the errors."""

DEADLINE_MS: dict[Severity, int] = {
    "critical": 15 * MINUTE_MS,
    "high": 30 * MINUTE_MS,
    "medium": HOUR_MS,
    "low": 2 * HOUR_MS,
}
"""How long a delivery is tried before its channel's fallback is notified instead."""
RESOLVE_DEADLINE_MS = DAY_MS
"""An incident that was opened is to be closed, even late."""

LEASE_MS = 15 * SECOND_MS
"""How long a lease is: longer than any request may take."""

BACKOFF_FIRST_MS = SECOND_MS
BACKOFF_MAX_MS = MINUTE_MS
RETRY_AFTER_MAX_MS = 10 * MINUTE_MS
"""The longest Retry-After that is honoured."""

CIRCUIT_FAILURES = 5
"""After this many failures in a row a channel counts as dead..."""
CIRCUIT_OPEN_MS = 30 * SECOND_MS
"""...and gets nothing for this long, then one request."""

FINISHED_RETENTION_MS = 10 * MINUTE_MS
"""How long a finished delivery stays in its state; group and storm look back less."""
GAVE_UP_RETENTION_MS = 7 * DAY_MS
"""How long a delivery that failed for good can be redriven."""
RESOLVED_RETENTION_MS = 30 * DAY_MS
"""A state with nothing pending is deleted when it was resolved that long ago..."""
QUIET_RETENTION_MS = HOUR_MS
"""...or, with no cooldown left, this long ago; also a silence past its end, or a command."""


_SERVICE = "service"


class States(Protocol):
    """What is read of the table here."""

    states: dict[str, State]

    def newest(self, subject: Subject) -> Breach:
        """Return a subject's newest breach."""


# ---------------------------------------------------------------------- due times


def due_ms(states: States, state: State) -> int | None:
    """Return when a state has something to decide, maybe in the past; None: never by itself."""
    times = [dropped_ms(state)]
    if isinstance(state, Subject):
        times += [reevaluated_ms(states, suppressed) for suppressed in state.suppressed]
        times += _delivery_times(state)
    if isinstance(state, AlertState):
        times.append(escalates_ms(states, state))
    return min((at_ms for at_ms in times if at_ms is not None), default=None)


def reevaluated_ms(states: States, suppressed: Suppressed) -> int | None:
    """Return when a suppressed notification is evaluated again."""
    if suppressed.reason == "inhibited":
        return inhibits_until_ms(states, suppressed.by)
    if suppressed.reason == "silenced":
        silence = states.states.get(suppressed.by)
        if not isinstance(silence, SilenceState):
            return 0
        # By its schedule it may be in force for less long than it stands.
        return min(silence.end_ms, suppressed.until_ms or silence.end_ms)
    return suppressed.until_ms


def inhibits_until_ms(states: States, key: str) -> int | None:
    """Return until when an alert inhibits others: None while it fires, 0 if it never did.

    What is over inhibits a while longer only if it inhibited anything when it last fired.
    """
    alert = states.states.get(key)
    if not isinstance(alert, AlertState) or not alert.newest:
        return 0
    if alert.phase == "resolved":
        return alert.since_ms + INHIBITION_AFTERMATH_MS if alert.inhibited_others else 0
    if inhibits(states.newest(alert)) is None:
        return 0
    return 0 if any(suppressed.reason == "stale" for suppressed in alert.suppressed) else None


def escalates_ms(states: States, alert: AlertState) -> int | None:
    """Return when the next escalation step is due; it waits while all channels are suppressed."""
    if alert.phase != "firing" or any(not suppressed.channel for suppressed in alert.suppressed):
        return None
    steps = states.newest(alert).routing.escalation
    if alert.escalated >= len(steps):
        return None
    return alert.firing_ms + steps[alert.escalated].after_ms


def _delivery_times(subject: Subject) -> list[int]:
    return [
        delivery.lease.until_ms if delivery.lease is not None else delivery.deadline_ms
        for delivery in subject.deliveries
        if delivery.pending and delivery.head and not delivery.waits_for
    ]


# ---------------------------------------------------------------------- inhibition


def inhibits(breach: Breach) -> str | None:
    """Return the service whose other alerts this one inhibits, None if it inhibits none.

    A firing `service_status` alert inhibits all other kinds that have the same label `service`: a
    rule about operations says whose they are with `labels: {service: …}`. A service that is only
    degraded inhibits nothing.
    """
    if breach.kind != "service_status" or breach.evidence.get("status") == "degraded":
        return None
    return breach.labels.get(_SERVICE)


def inhibited_with(breach: Breach) -> str | None:
    """Return the service that inhibits this alert while it is down, None if none does."""
    return None if breach.kind == "service_status" else breach.labels.get(_SERVICE)


# ---------------------------------------------------------------------- retention


def dropped_ms(state: State) -> int | None:
    """Return when a state is of no use any more."""
    if state.unpublished:
        return None
    match state:
        case ChannelState():
            return None
        case SilenceState():
            return (state.end_ms if state.command else state.since_ms) + QUIET_RETENTION_MS
        case AlertState() if state.phase != "resolved":
            return None
        case AlertState() | CommandState():
            return _subject_dropped_ms(state)


def _subject_dropped_ms(subject: Subject) -> int | None:
    if subject.suppressed or any(delivery.pending for delivery in subject.deliveries):
        return None
    finished = [delivery.finished_ms for delivery in subject.deliveries]
    quiet_ms = max([subject.since_ms, *finished]) + QUIET_RETENTION_MS
    until = [cooldown.until_ms for cooldown in subject.cooldowns]
    until += [
        delivery.finished_ms + GAVE_UP_RETENTION_MS
        for delivery in subject.deliveries
        if delivery.outcome == "gave_up"
    ]
    latest_ms = max(quiet_ms, subject.since_ms + RESOLVED_RETENTION_MS)
    return min(max([quiet_ms, *until]), latest_ms)


def prune(alert: Subject, now_ms: int) -> None:
    """Forget finished deliveries, past cooldowns, and recipients of episodes that are over."""
    alert.deliveries = [
        delivery for delivery in alert.deliveries if not _is_expired(delivery, now_ms)
    ]
    newest = alert.newest.rpartition("/")[0]
    ids = {delivery.id for delivery in alert.deliveries}
    alert.recipients = [
        recipient
        for recipient in alert.recipients
        if not recipient.resolve or recipient.breach_id == newest or recipient.resolve in ids
    ]
    alert.cooldowns = [cooldown for cooldown in alert.cooldowns if cooldown.until_ms > now_ms]


def _is_expired(delivery: Delivery, now_ms: int) -> bool:
    gave_up = delivery.outcome == "gave_up"
    retention_ms = GAVE_UP_RETENTION_MS if gave_up else FINISHED_RETENTION_MS
    return not delivery.pending and delivery.finished_ms + retention_ms <= now_ms
