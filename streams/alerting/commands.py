"""Apply what people ask for, or refuse it with the reason."""

from schemas import schedules
from schemas.breaches import Breach, Routing, Span
from schemas.commands import Acknowledge, Command, EndSilence, Redrive, Silence, TestChannel
from schemas.matchers import MAX_MATCHERS, MAX_TEXT, pattern_problem
from schemas.notifications import Reason
from schemas.spans import MINUTE_MS
from streams.alerting.before_attempt import drop_acknowledged
from streams.alerting.limits import MAX_SILENCES
from streams.alerting.outbox import add_recipient, enqueue, place_of, set_cooldown
from streams.alerting.resolve_acknowledge import acknowledge, resolve_with_opening
from streams.alerting.state import (
    COMMAND,
    RANK,
    SILENCE,
    AlertState,
    CommandState,
    Delivery,
    SilenceState,
    Subject,
    TableState,
)
from streams.alerting.transition import Candidate, Decision, Transition
from streams.channels.text_format import moment

#: A state remembers this many commands, to recognise a repeat.
_REMEMBERED = 20


def take_command(context: Transition, command: Command, offset: int) -> None:
    """Apply a command; one whose offset its state has seen changes nothing."""
    state = _state_of(context, command)
    if offset <= state.command_offset:
        return
    state.command_offset = offset
    if command.id in state.command_ids:
        why = f"The command {command.id} was applied before."
        decisions = [context.decision(state, "duplicate", why)]
    else:
        state.command_ids = [*state.command_ids, command.id][-_REMEMBERED:]
        decisions = _apply(context, state, command)
    context.settle(state, decisions)


def _state_of(context: Transition, command: Command) -> TableState:
    """Return the state a command is about; if there is none, one of its own that records it."""
    table = context.table
    found: TableState | None = None
    match command:
        case Acknowledge():
            found = table.alert(command.fingerprint)
        case Silence():
            key = SILENCE + command.id
            found = table.states.get(key) or table.add(SilenceState(key=key))
        case EndSilence():
            found = table.states.get(SILENCE + command.silence)
        case Redrive():
            found = table.batches.subject_of(command.delivery)
    key = COMMAND + command.id
    found = found or table.states.get(key)
    return found or table.add(CommandState(key=key, since_ms=context.now_ms))


def _apply(context: Transition, state: TableState, command: Command) -> list[Decision]:
    match command:
        case Acknowledge():
            return _acknowledge(context, state, command)
        case Silence():
            return [_silence(context, state, command)]
        case EndSilence():
            return [_end_silence(context, state, command)]
        case Redrive():
            return _redrive(context, state, command)
        case TestChannel():
            return [_test(context, state, command)]


def _refuse(
    context: Transition, state: TableState, why: str, reason: Reason = "command_refused"
) -> Decision:
    return context.decision(state, reason, why)


def _acknowledge(context: Transition, state: TableState, command: Acknowledge) -> list[Decision]:
    if not isinstance(state, AlertState) or not state.newest:
        why = f"There is no alert {command.fingerprint} to acknowledge."
        return [_refuse(context, state, why)]
    newest = context.table.newest(state)
    if newest.id != command.breach_id:
        why = f"{command.breach_id} is another episode than {newest.id}, which fires."
        return [_refuse(context, state, why)]
    if state.phase == "resolved":
        why = "It has resolved, so there is nothing to acknowledge."
        return [_refuse(context, state, why)]
    if state.phase == "acknowledged":
        why = f"{state.acknowledged_by} has acknowledged it already."
        return [_refuse(context, state, why)]
    state.phase, state.since_ms, state.acknowledged_by = "acknowledged", context.now_ms, command.by
    comment = f": {command.comment}" if command.comment else "."
    done = context.decision(state, "command_done", f"Acknowledged by {command.by}{comment}")
    return [done, *acknowledge(context, state), *drop_acknowledged(context, state)]


# ---------------------------------------------------------------------- silences


def _silence(context: Transition, state: TableState, command: Silence) -> Decision:
    assert isinstance(state, SilenceState)
    state.since_ms = context.now_ms
    why = _problem(context, command)
    if why is not None:
        return _refuse(context, state, why)
    state.command = command.model_dump_json().encode()
    state.start_ms, state.end_ms = command.start_ms, command.end_ms
    span = f"from {moment(command.start_ms)} to {moment(command.end_ms)}"
    every = f", {command.every}" if command.every else ""
    why = f"{command.by} silences what matches {span}{every}."
    return context.decision(state, "command_done", why)


def _problem(context: Transition, silence: Silence) -> str | None:
    """Return why a silence cannot be, None if it can."""
    states = (context.table.states[key] for key in context.table.silences)
    standing = sum(isinstance(s, SilenceState) and s.end_ms > context.now_ms for s in states)
    if standing >= MAX_SILENCES:
        return f"There are {standing} silences, and at most {MAX_SILENCES} can be: end some first."
    if silence.end_ms <= silence.start_ms:
        return "It ends before it starts."
    if silence.end_ms <= context.now_ms:
        return "It is over already."
    if silence.every is not None and (why := schedules.problem(silence.every)) is not None:
        return f"Its schedule cannot be read: {why}."
    return _problem_of_matchers(silence)


def _problem_of_matchers(silence: Silence) -> str | None:
    if len(silence.matchers) > MAX_MATCHERS:
        return f"It has {len(silence.matchers)} matchers: at most {MAX_MATCHERS}."
    if sum(len(matcher.label) + len(matcher.value) for matcher in silence.matchers) > MAX_TEXT:
        return f"Its matchers are longer than {MAX_TEXT} characters."
    for matcher in silence.matchers:
        if matcher.operator in ("=~", "!~"):
            why = pattern_problem(matcher.value)
            if why is not None:
                return f"The pattern of {matcher.label} {why}."
    return None


def _end_silence(context: Transition, state: TableState, command: EndSilence) -> Decision:
    if not isinstance(state, SilenceState) or not state.command:
        return _refuse(context, state, f"There is no silence {command.silence}.")
    if state.end_ms <= context.now_ms:
        return _refuse(context, state, f"The silence ended at {moment(state.end_ms)} already.")
    state.end_ms, state.ended_by = context.now_ms, command.by
    return context.decision(state, "command_done", f"{command.by} ended the silence.")


# ---------------------------------------------------------------------- redrive


def _redrive(context: Transition, state: TableState, command: Redrive) -> list[Decision]:
    delivery = state.delivery(command.delivery) if isinstance(state, Subject) else None
    if delivery is None or not isinstance(state, Subject):
        return [_refuse(context, state, f"There is no delivery {command.delivery}.")]
    if delivery.outcome != "gave_up":
        why = f"Only what failed can be redriven: it is {delivery.outcome or 'pending'}."
        return [_refuse(context, state, why)]
    if _is_superseded(state, delivery):
        return [_refuse(context, state, f"{delivery.channel} is notified of it already.")]
    done = context.about(state, delivery, "command_done", f"Redriven by {command.by}.")
    before = len(state.deliveries)
    decisions = [done, *_drive_again(context, state, delivery, command.by)]
    if len(state.deliveries) > before:  # once is enough
        delivery.outcome, delivery.finished_ms = "cancelled", context.now_ms
    return decisions


def _is_superseded(subject: Subject, delivery: Delivery) -> bool:
    """Whether another delivery reports as much, or graver, of the episode to the channel."""
    if delivery.event in ("resolved", "acknowledged", "test"):
        return False
    place, rank = place_of(delivery), RANK[delivery.severity]
    later = any(
        place_of(other) == place
        and other.id != delivery.id
        and other.outcome in ("", "sent")
        and other.created_ms >= delivery.created_ms
        and RANK[other.severity] >= rank
        for other in subject.deliveries
    )
    return later or any(
        place_of(recipient) == place
        and recipient.delivery != delivery.id
        and recipient.state != "failed"
        and delivery.event != "severity_raised"
        and RANK[recipient.severity] >= rank
        for recipient in subject.recipients
    )


def _drive_again(
    context: Transition, subject: Subject, delivery: Delivery, by: str
) -> list[Decision]:
    breach = context.table.breach(subject, delivery.breach_key)
    opens = delivery.event not in ("resolved", "acknowledged", "test")
    fires = isinstance(subject, AlertState) and subject.fires(delivery.breach_id)
    if opens and not fires:
        newest = context.table.newest(subject)
        breach = newest if newest.id == delivery.breach_id else breach
        return resolve_with_opening(context, subject, delivery, breach, delivery.channel, ())
    notification = Candidate(
        breach,
        delivery.channel,
        delivery.event,
        delivery.level,
        delivery.incident,
        with_opening=delivery.with_opening,
        by=by,
    )
    new, decision = enqueue(context, subject, notification)
    if opens and delivery.event != "severity_raised":
        add_recipient(context, subject, new)
        set_cooldown(context, subject, new, breach.routing.cooldown_ms)
    for recipient in subject.recipients:
        if recipient.resolve == delivery.id:
            recipient.resolve = new.id
    return [decision]


# ---------------------------------------------------------------------- test a channel


def _test(context: Transition, state: TableState, command: TestChannel) -> Decision:
    channel = command.channel
    assert isinstance(state, CommandState)
    if channel not in context.channels.by_name:
        why = f"There is no channel {channel} in the rule file."
        return _refuse(context, state, why, "unknown_channel")
    if channel in context.channels.missing:
        why = f"Undeliverable to {channel}: {context.channels.missing[channel]}"
        return _refuse(context, state, why, "undeliverable")
    breach = _test_breach(state.key, command, context.now_ms)
    context.table.set_newest(state, breach.model_dump_json().encode(), breach)
    return enqueue(context, state, Candidate(breach, channel, "test", by=command.by))[1]


def _test_breach(key: str, command: TestChannel, now_ms: int) -> Breach:
    return Breach(
        id=command.id,
        revision=1,
        state="opened",
        why="violated",
        fingerprint=key,
        rule="test",
        kind="service_status",
        series=command.channel,
        labels={"channel": command.channel},
        severity="low",
        metric=None,
        operator=None,
        threshold=None,
        observed=None,
        samples=0,
        span=Span(start_ms=now_ms - MINUTE_MS, end_ms=now_ms),
        since_ms=now_ms,
        opened_ms=now_ms,
        confirmed=True,
        summary=f"A test of {command.channel}, asked for by {command.by}. Nothing is wrong.",
        routing=Routing(channels=[command.channel], cooldown_ms=0),
        rules_hash="",
    )
