"""Claim a message, and decide what its receiver's answer means for everyone it tells of."""

from streams.alerting import timers
from streams.alerting.backoff import backoff_ms, failed
from streams.alerting.freeing import free
from streams.alerting.giving_up import give_up
from streams.alerting.inputs import Attempt, AttemptResult
from streams.alerting.messages import in_order, message_of
from streams.alerting.outbox import OPENINGS, cancel, set_mark
from streams.alerting.pipeline import why_gone
from streams.alerting.recheck import reconsider
from streams.alerting.resolve import acknowledge, succeed
from streams.alerting.state import Circuit, Claim, Delivery, Row, digest
from streams.alerting.transition import Turn, moment
from streams.channels.registry import named, traits
from streams.channels.response import Rejected, Retry, Sent


def claim(turn: Turn, parcel: str, generation: str, lease_ms: int) -> Attempt:
    """Begin an attempt to send a message; what it does not name goes in the next one."""
    unnamed = _split(turn, parcel)
    found = turn.table.parcels.head_of(parcel)
    assert found is not None
    row, head = found
    head.attempts += 1
    lease_until_ms = turn.now_ms + lease_ms
    head.claim = Claim(generation, head.attempts, lease_until_ms)
    members = len(turn.table.parcels.members[parcel])
    more = f", with {members - 1} more in the same message" if members > 1 else ""
    why = f"Attempt {head.attempts} to tell {head.channel}{more}."
    turn.say(row, "attempted", why, delivery=head, attempt=head.attempts)
    turn.table.settle(row)
    return Attempt(
        id=parcel,
        channel=head.channel,
        row=row.key,
        delivery=head.id,
        generation=generation,
        attempt=head.attempts,
        lease_until_ms=lease_until_ms,
        message=message_of(turn.table, parcel),
        unnamed=unnamed,
    )


def _split(turn: Turn, parcel: str) -> frozenset[str]:
    """Let what a message has no room to name go in another one.

    Return the deliveries that stay in it unnamed: a text message names one alert, and who is to
    read forty of them?
    """
    members = in_order(turn.table, parcel)
    channel = turn.channels.by_name.get(members[0][1].channel)
    if channel is None or len(members) == 1:
        return frozenset()
    rest = members[named(message_of(turn.table, parcel), channel) :]
    if not rest or traits(channel).counts_unnamed:
        return frozenset(delivery.id for _, delivery in rest)
    name = digest("rest", parcel, *(delivery.id for _, delivery in rest))
    turn.table.parcels.split(parcel, [(row.key, one.id) for row, one in rest], name)
    for row, delivery in rest:
        if delivery.incident == parcel:
            _rename(row, delivery, name)
    for row, _ in reversed(members):
        turn.table.settle(row)
    return frozenset()


def _rename(row: Row, delivery: Delivery, incident: str) -> None:
    """Let a delivery open an incident of its own message, unless it may be open already."""
    for told in row.told:
        if told.delivery == delivery.id:
            told.incident = incident
    delivery.incident = incident


def given_up_unasked(turn: Turn, parcel: str) -> bool:
    """Give up what tells a channel more that was disabled since; an end it is still told.

    One that asked to be sent nothing more is told nothing, but tests.
    """
    found = turn.table.parcels.head_of(parcel)
    assert found is not None
    head = found[1]
    if turn.table.circuit(head.channel).gone and head.event != "test":
        give_up(turn, parcel, why_gone(head.channel), head.answer)
        return True
    channel = turn.channels.by_name.get(head.channel)
    heard = head.event == "resolved" and (head.ambiguous or not head.opening_untold)
    if channel is None or channel.enabled or heard:
        return False
    give_up(turn, parcel, f"The channel {head.channel} is disabled in the rule file.", head.answer)
    return True


def take_answer(turn: Turn, given: AttemptResult) -> None:
    """Take a receiver's answer in; that of a claim which is closed already changes nothing."""
    parcel, answer = given.attempt, given.response
    found = turn.table.parcels.head_of(parcel.id)
    if found is None or not is_claimed(found[1], parcel):
        return
    row, head = found
    match answer:
        case Sent():
            before = turn.table.circuit(head.channel)
            if before != Circuit():
                turn.table.set_circuit(head.channel, Circuit())
            sent(turn, parcel.id, answer.answer, parcel.unnamed)
            if before.gone:
                free(turn.table, turn.channels)
        case Retry():
            if answer.requested:
                circuit = failed(turn.table.circuit(head.channel), turn.now_ms)
                turn.table.set_circuit(head.channel, circuit)
            wait_ms = backoff_ms(head.attempts, given.jitter, answer.after_ms)
            retry(turn, row, head, answer, wait_ms)
            reconsider(turn, parcel.id)  # what was decided while it was under way
        case Rejected(gone=True):
            turn.table.set_circuit(head.channel, Circuit(gone=True))
            give_up(turn, parcel.id, why_gone(head.channel), answer.answer)
        case Rejected():
            give_up(turn, parcel.id, f"{head.channel} refused it for good.", answer.answer)


def is_claimed(head: Delivery, parcel: Attempt) -> bool:
    """Whether a claim is the one that is open."""
    claimed = head.claim
    return claimed is not None and (claimed.generation, claimed.attempt) == (
        parcel.generation,
        parcel.attempt,
    )


def lapse(turn: Turn, row: Row, head: Delivery) -> None:
    """Close a claim that nobody closed in time: the receiver may have heard."""
    answer = Retry(answer="", ambiguous=True)
    retry(turn, row, head, answer, 0)


def retry(turn: Turn, row: Row, head: Delivery, answer: Retry, wait_ms: int) -> None:
    """Try a message again later, or give it up if that is past its deadline."""
    head.ambiguous = head.ambiguous or answer.ambiguous
    not_before_ms = turn.now_ms + wait_ms
    open_until_ms = turn.table.circuit(head.channel).open_until_ms
    not_before_ms = max(not_before_ms, open_until_ms)
    if not_before_ms >= head.deadline_ms:
        why = f"{head.channel} could not be reached until {moment(head.deadline_ms)}."
        give_up(turn, head.parcel, why, answer.answer)
        return
    attempt = head.attempts
    head.claim = None
    head.not_before_ms = not_before_ms
    what = "It is not known whether the receiver heard" if answer.ambiguous else "Not taken"
    what = what if answer.requested else "Not sent"
    why = f"{what}; again at {moment(not_before_ms)}."
    if open_until_ms > turn.now_ms:
        why += (
            f" {head.channel} failed {timers.CIRCUIT_FAILURES} times or more: left alone so long."
        )
    turn.say(
        row,
        "retry",
        why,
        until_ms=not_before_ms,
        delivery=head,
        attempt=attempt,
        answer=answer.answer or None,
    )
    turn.table.settle(row)
    for key, delivery_id in list(turn.table.parcels.members[head.parcel]):
        _after_failure(turn, turn.table.rows[key], delivery_id, ambiguous=answer.ambiguous)


def _after_failure(turn: Turn, row: Row, delivery_id: str, *, ambiguous: bool) -> None:
    """Let what waits for a failed delivery take its place; what may be heard begins a cooldown."""
    waits = any(one.owed and one.after == delivery_id for one in row.deliveries)
    if not (waits or ambiguous):
        return
    delivery = row.delivery(delivery_id)
    assert delivery is not None
    if ambiguous:
        _cool(turn, row, delivery)
    succeed(turn, row, delivery, through=False)
    turn.table.settle(row)


def sent(turn: Turn, parcel: str, answer: str, unnamed: frozenset[str] = frozenset()) -> None:
    """Note for everyone a message names that it got through; its head comes last."""
    count = len(turn.table.parcels.members.get(parcel, ()))
    head = turn.table.parcels.head_of(parcel)
    for key, delivery_id in turn.table.parcels.members_of(parcel):
        row = turn.table.rows[key]
        delivery = row.delivery(delivery_id)
        assert delivery is not None
        if delivery_id in unnamed:
            _summarise(turn, row, delivery, count)
            turn.table.settle(row)
            continue
        attempt = head[1].attempts if head is not None else delivery.attempts
        delivery.claim = None
        delivery.outcome = "sent"
        delivery.finished_ms = turn.now_ms
        delivery.answer = answer
        for told in row.told:
            if delivery.id in (told.delivery, told.resolve) and told.state != "failed":
                told.state = "sent"
                told.at_ms = turn.now_ms
            place = (told.channel, told.breach_id, told.level)
            if place == (delivery.channel, delivery.breach_id, delivery.level):
                told.heard = delivery.severity
        _cool(turn, row, delivery)
        why = f"{delivery.channel} took it ({delivery.event.replace('_', ' ')})."
        turn.say(row, "sent", why, delivery=delivery, attempt=attempt, answer=answer or None)
        succeed(turn, row, delivery, through=True)
        if row.state == "acknowledged" and delivery.event in OPENINGS:
            acknowledge(turn, row, turn.table.newest(row), row.acknowledged_by, delivery.id)
        turn.table.settle(row)


def _summarise(turn: Turn, row: Row, delivery: Delivery, count: int) -> None:
    """Note that a message got through that counts an alert and does not name it: it is not sent."""
    why = (
        f"One of {count} that a text message to {delivery.channel} counts; it names another, so"
        " this one is not told there by name."
    )
    cancel(turn, row, delivery, why, "summarised")
    for told in row.told:
        if told.delivery == delivery.id and told.state == "owed":
            told.state = "failed"
    _cool(turn, row, delivery)
    succeed(turn, row, delivery, through=False)


def _cool(turn: Turn, row: Row, delivery: Delivery) -> None:
    """Let the cooldown count from when the channel heard, or may have."""
    if delivery.event in (*OPENINGS, "severity_raised") or delivery.opening_untold:
        cooldown_ms = turn.table.text(row, delivery.text).routing.cooldown_ms
        set_mark(turn, row, delivery, cooldown_ms)
