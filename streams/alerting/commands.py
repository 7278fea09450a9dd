"""Do what people ask for, or say why not."""

from schemas.breaches import Breach, Routing, Span
from schemas.commands import Acknowledge, Command, EndSilence, Redrive, Silence, TestChannel
from schemas.notifications import Reason
from streams.alerting import timers
from streams.alerting.giving_up import tell_of_both
from streams.alerting.outbox import Telling, note_told, owe, set_mark
from streams.alerting.pipeline import RANK
from streams.alerting.recheck import drop_acknowledged
from streams.alerting.resolve import acknowledge, text_name
from streams.alerting.silences import problem
from streams.alerting.state import COMMAND, SILENCE, Delivery, Row, Silenced
from streams.alerting.transition import Turn, moment

#: A row remembers so many commands, to know a repeat.
_REMEMBERED = 20


def take_command(turn: Turn, command: Command, offset: int) -> None:
    """Take a command in; one whose offset its row has seen changes nothing."""
    row = _row_of(turn, command)
    if offset <= row.command_offset:
        return
    row.command_offset = offset
    if command.id in row.command_ids:
        turn.say(row, "duplicate", f"The command {command.id} was taken in before.")
    else:
        row.command_ids = [*row.command_ids, command.id][-_REMEMBERED:]
        match command:
            case Acknowledge():
                _acknowledge(turn, row, command)
            case Silence():
                _silence(turn, row, command)
            case EndSilence():
                _end_silence(turn, row, command)
            case Redrive():
                _redrive(turn, row, command)
            case TestChannel():
                _test(turn, row, command)
    turn.table.settle(row)


def _row_of(turn: Turn, command: Command) -> Row:
    """Return the row a command is about; if there is none, one of its own that says so."""
    rows = turn.table.rows
    found: Row | None = None
    match command:
        case Acknowledge():
            found = rows.get(command.fingerprint)
        case Silence():
            key = SILENCE + command.id
            found = rows.get(key) or turn.table.create(key)
        case EndSilence():
            found = rows.get(SILENCE + command.silence)
        case Redrive():
            found = turn.table.parcels.row_of(command.delivery)
    if found is not None:
        return found
    key = COMMAND + command.id
    row = rows.get(key)
    if row is None:
        row = turn.table.create(key)
        row.since_ms = turn.now_ms
    return row


def _refuse(turn: Turn, row: Row, why: str, reason: Reason = "command_refused") -> None:
    turn.say(row, reason, why)


def _acknowledge(turn: Turn, row: Row, command: Acknowledge) -> None:
    if not row.newest or row.key != command.fingerprint:
        _refuse(turn, row, f"There is no alert {command.fingerprint} to acknowledge.")
        return
    breach = turn.table.newest(row)
    if breach.id != command.breach_id:
        _refuse(turn, row, f"{command.breach_id} is another episode than {breach.id}, which fires.")
    elif row.state == "resolved":
        _refuse(turn, row, "It has resolved, so there is nothing to acknowledge.")
    elif row.state == "acknowledged":
        _refuse(turn, row, f"{row.acknowledged_by} has acknowledged it already.")
    else:
        row.state, row.since_ms, row.acknowledged_by = "acknowledged", turn.now_ms, command.by
        said = f": {command.comment}" if command.comment else "."
        turn.say(row, "command_done", f"Acknowledged by {command.by}{said}")
        acknowledge(turn, row, breach, command.by)
        drop_acknowledged(turn, row)


def _silence(turn: Turn, row: Row, command: Silence) -> None:
    row.since_ms = turn.now_ms
    standing = sum(
        row.silence is not None and row.silence.end_ms > turn.now_ms
        for row in map(turn.table.rows.__getitem__, turn.table.silences)
    )
    why = problem(command, turn.now_ms, standing)
    if why is not None:
        _refuse(turn, row, why)
        return
    row.silence = Silenced(command.model_dump_json().encode(), command.start_ms, command.end_ms)
    span = f"from {moment(command.start_ms)} to {moment(command.end_ms)}"
    turn.say(row, "command_done", f"{command.by} silences what matches {span}.")


def _end_silence(turn: Turn, row: Row, command: EndSilence) -> None:
    if row.silence is None:
        _refuse(turn, row, f"There is no silence {command.silence}.")
    elif row.silence.end_ms <= turn.now_ms:
        _refuse(turn, row, f"The silence ended at {moment(row.silence.end_ms)} already.")
    else:
        row.silence.end_ms, row.silence.ended_by = turn.now_ms, command.by
        turn.say(row, "command_done", f"{command.by} ended the silence.")


def _redrive(turn: Turn, row: Row, command: Redrive) -> None:
    delivery = row.delivery(command.delivery)
    if delivery is None:
        _refuse(turn, row, f"There is no delivery {command.delivery}.")
    elif delivery.outcome != "gave_up":
        _refuse(turn, row, f"It was not given up: it is {delivery.outcome or 'still owed'}.")
    elif _told_since(row, delivery):
        _refuse(turn, row, f"{delivery.channel} is told of it already.")
    else:
        turn.say(row, "command_done", f"Redriven by {command.by}.", delivery=delivery)
        before = len(row.deliveries)
        _drive_again(turn, row, delivery, command.by)
        if len(row.deliveries) > before:  # once is enough
            delivery.outcome, delivery.finished_ms = "cancelled", turn.now_ms


def _told_since(row: Row, delivery: Delivery) -> bool:
    """Whether the channel is told as much, or graver, of the episode by another delivery."""
    if delivery.event in ("resolved", "acknowledged", "test"):
        return False
    place = (delivery.channel, delivery.breach_id, delivery.level)
    grave = RANK[delivery.severity]
    others = any(
        (one.channel, one.breach_id, one.level) == place
        and one.id != delivery.id
        and one.outcome in ("", "sent")
        and one.created_ms >= delivery.created_ms
        and RANK[one.severity] >= grave
        for one in row.deliveries
    )
    return others or any(
        (one.channel, one.breach_id, one.level) == place
        and one.delivery != delivery.id
        and one.state != "failed"
        and delivery.event != "severity_raised"
        and RANK[one.severity] >= grave
        for one in row.told
    )


def _drive_again(turn: Turn, row: Row, delivery: Delivery, by: str) -> None:
    newest = turn.table.newest(row)
    over = row.state == "resolved" or newest.id != delivery.breach_id
    opens = delivery.event not in ("resolved", "acknowledged", "test")
    if over and opens:
        text = row.newest if newest.id == delivery.breach_id else delivery.text
        tell_of_both(turn, row, delivery, text, delivery.channel, ())
        return
    telling = Telling(
        breach=turn.table.text(row, delivery.text),
        text=delivery.text,
        channel=delivery.channel,
        event=delivery.event,
        level=delivery.level,
        incident=delivery.incident,
        opening_untold=delivery.opening_untold,
        by=by,
    )
    new = owe(turn, row, telling)
    if opens and delivery.event != "severity_raised":
        note_told(turn, row, new)
        set_mark(turn, row, new, telling.breach.routing.cooldown_ms)
    for told in row.told:
        if told.resolve == delivery.id:
            told.resolve = new.id


def _test(turn: Turn, row: Row, command: TestChannel) -> None:
    name = command.channel
    channel = turn.channels.by_name.get(name)
    if channel is None:
        _refuse(turn, row, f"There is no channel {name} in the rule file.", "unknown_channel")
        return
    if name in turn.channels.missing:
        why = f"Undeliverable to {name}: {turn.channels.missing[name]}"
        _refuse(turn, row, why, "undeliverable")
        return
    breach = _test_breach(row.key, command, turn.now_ms)
    raw = breach.model_dump_json().encode()
    turn.table.set_newest(row, text_name(breach), raw, breach)
    telling = Telling(breach=breach, text=row.newest, channel=name, event="test", by=command.by)
    owe(turn, row, telling)


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
        span=Span(start_ms=now_ms - timers.MINUTE_MS, end_ms=now_ms),
        since_ms=now_ms,
        opened_ms=now_ms,
        confirmed=True,
        summary=f"A test of {command.channel}, asked for by {command.by}. Nothing is wrong.",
        routing=Routing(channels=[command.channel], cooldown_ms=0),
        rules_hash="",
    )
