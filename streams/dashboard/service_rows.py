"""List services: how each stands, and for how long it was up."""

from typing import NamedTuple

from streams.dashboard.points import ServiceSum
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.sums import SpanSums
from streams.dashboard.targets import State

_STATES: dict[str, State] = {"up": "good", "degraded": "near", "down": "bad", "unknown": "none"}
_ORDER: tuple[State, ...] = ("bad", "near", "none", "good")


class ServiceRow(NamedTuple):
    """How a service stands."""

    service: str
    series: str
    status: str
    """up, degraded, down, silent or unknown."""
    state: State
    since_ms: int
    last_beat_ms: int | None
    message: str | None
    sum: ServiceSum
    uptime: float | None


def service_rows(sums: SpanSums, span: TrailingSpan) -> list[ServiceRow]:
    """Return all services that are remembered, those that are down first."""
    rows = []
    for book in list(sums.books.services.values()):
        record = book.service
        if record is None or record.forgotten:
            continue
        found = sums.service(book.name, span)
        rows.append(
            ServiceRow(
                service=record.series.service,
                series=book.name,
                status="silent" if record.silent else record.status,
                state=_STATES[record.status],
                since_ms=record.since_ms,
                last_beat_ms=record.last_beat_ms,
                message=record.message,
                sum=found,
                uptime=found.uptime,
            )
        )
    return sorted(rows, key=lambda row: (_ORDER.index(row.state), row.service))
