"""Write down what a message tells: of one alert, or of several with the worst one first."""

from schemas.notifications import Event
from streams.alerting.pipeline import RANK
from streams.alerting.state import Delivery, Row, digest
from streams.alerting.table import Table
from streams.channels.message import Message


def message_of(table: Table, parcel: str) -> Message:
    """Return what is to be said of a parcel that is owed: the same bytes for the same members."""
    return message_about(table, parcel, in_order(table, parcel))


def in_order(table: Table, parcel: str) -> list[tuple[Row, Delivery]]:
    """Return a message's members in the order in which it tells of them: the worst first."""
    members = []
    for key, delivery_id in table.parcels.members[parcel]:
        row = table.rows[key]
        delivery = row.delivery(delivery_id)
        assert delivery is not None
        members.append((row, delivery))
    return sorted(members, key=lambda one: _place(one[1]))


def message_about(table: Table, parcel: str, members: list[tuple[Row, Delivery]]) -> Message:
    """Return the message that tells of deliveries which share a parcel."""
    told = [(one, table.text(row, one.text)) for row, one in members]
    told.sort(key=lambda one: _place(one[0]))
    lead, breach = told[0]
    alone = len(told) == 1
    ids = sorted(one.id for one, _ in told)
    return Message(
        delivery=lead.id if alone else digest("parcel", parcel, *ids),
        event=_event([one for one, _ in told]),
        breach=breach,
        others=tuple(other for _, other in told[1:]),
        announces_opening=lead.opening_untold,
        level=max(one.level for one, _ in told),
        created_ms=min(one.created_ms for one, _ in told),
        incident=lead.incident,
        acknowledged_by=lead.by,
    )


def _place(delivery: Delivery) -> tuple[bool, int, int, str]:
    over = delivery.event == "resolved"
    return over, -RANK[delivery.severity], delivery.created_ms, delivery.id


def _event(told: list[Delivery]) -> Event:
    """Return what the message is: what all of its members are, else what the worst one is."""
    event = told[0].event
    if len(told) > 1 and event != "resolved" and any(one.storm for one in told):
        return "summary"
    return event
