"""Read the topics that history is kept of: a record's entries go to the present batch."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from faust.types import TP

from agents.kafka.fetch_unpacking import Chunk
from agents.runtime.pacing import Pace
from agents.runtime.settings import Settings
from agents.store import metrics
from agents.store.storing import Storing
from schemas.topics import (
    AGGREGATES,
    BREACHES,
    COMMANDS,
    DEAD_LETTERS,
    LABELS,
    NOTIFICATIONS,
    QUALITY_SCORES,
)
from streams.history.aggregates import Unreadable, entries_of_aggregate
from streams.history.records import (
    entries_of_breach,
    entries_of_command,
    entries_of_dead_letter,
    entries_of_label,
    entries_of_notification,
    entries_of_score,
)
from streams.history.tables import Entry
from streams.record_limits import MAX_RECORD_BYTES

#: What makes entries of a record's value, by topic; of dead letters the headers say more.
ENTRIES_OF_VALUE: dict[str, Callable[[bytes], list[Entry]]] = {
    AGGREGATES.name: entries_of_aggregate,
    QUALITY_SCORES.name: entries_of_score,
    LABELS.name: entries_of_label,
    BREACHES.name: entries_of_breach,
    COMMANDS.name: entries_of_command,
    NOTIFICATIONS.name: entries_of_notification,
}
#: What is none of these topics' records is refused by the role that reads them.
_OTHERS_REFUSE = frozenset({LABELS.name, BREACHES.name, COMMANDS.name})


class HistoryReader:
    """Reads chunks of the topics."""

    def __init__(self, settings: Settings, storing: Storing) -> None:
        """Pass entries on to a Storing."""
        self._prefix = settings.topic_prefix
        self._storing = storing

    async def read(self, tp: TP, chunk: Chunk) -> None:
        """Take a chunk in; it is done when the batch with its last record is written."""
        storing, pace = self._storing, Pace()
        turn = storing.turn_of(tp)
        for record in chunk.records:
            await storing.room()
            if storing.turn_of(tp) != turn:
                return
            try:
                storing.add(tp, record, self._entries(tp, record))
            except Unreadable as unreadable:
                await self._refuse(tp, record, str(unreadable))
            await pace.rest()
            if storing.turn_of(tp) != turn:
                return
        storing.reach(tp, chunk.end)

    def rehearse(self, tp: TP, records: Sequence[Any]) -> Iterator[None]:
        """Make the entries of records and nothing else; yield after each."""
        for record in records:
            with contextlib.suppress(Unreadable):
                self._entries(tp, record)
            yield

    def _entries(self, tp: TP, record: Any) -> list[Entry]:
        """Return the entries of a record.

        Raises:
            Unreadable: it is none of the topic's.
        """
        topic = tp.topic.removeprefix(self._prefix)
        if record.value is None:
            return []  # removed by its key: history stays
        value = bytes(record.value)
        if len(value) > MAX_RECORD_BYTES:
            raise Unreadable(f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
        if topic == DEAD_LETTERS.name:
            return entries_of_dead_letter(value, record.headers)
        return ENTRIES_OF_VALUE[topic](value)

    async def _refuse(self, tp: TP, record: Any, why: str) -> None:
        if tp.topic.removeprefix(self._prefix) in _OTHERS_REFUSE:
            metrics.not_stored.labels(tp.topic).inc()
        else:
            await self._storing.refuse(tp, record, why)
