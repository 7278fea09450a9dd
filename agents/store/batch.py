"""Gather entries that are written together: of those with one key, the one that stands."""

from collections.abc import Callable, Collection, Iterable, Iterator
from operator import itemgetter
from typing import Any, NamedTuple

from faust.types import TP

from streams.history.tables import Entry, HistoryTable


class Source(NamedTuple):
    """The record that an entry was made of."""

    tp: TP
    record: Any


class Gathered(NamedTuple):
    """An entry and its record."""

    entry: Entry
    source: Source


class Batch:
    """Entries of records that were read, and how far each partition was read."""

    def __init__(self) -> None:
        """Begin without entries."""
        self.offsets: dict[TP, int] = {}
        """The next offset of each partition."""
        self.bytes = 0
        self._entries: dict[str, dict[Any, Gathered]] = {}
        self._keys: dict[str, Callable[[tuple[Any, ...]], Any]] = {}
        self.count = 0

    def add(self, source: Source, entries: Iterable[Entry]) -> None:
        """Add the entries of a record."""
        for entry in entries:
            table = entry.table
            entries_by_key = self._by_key(table)
            key = self._keys[table.name](entry.values)
            before = entries_by_key.get(key)
            if before is None:
                self.count += 1
            elif not _stands(entry, before.entry):
                continue
            entries_by_key[key] = Gathered(entry, source)
        self.bytes += len(source.record.value or b"")

    def reach(self, tp: TP, offset: int) -> None:
        """Note that a partition was read up to an offset."""
        self.offsets[tp] = offset

    def forget(self, tps: Collection[TP]) -> None:
        """Forget partitions that are lost: whoever has them now reads this again."""
        for tp in tps:
            self.offsets.pop(tp, None)

    def gathered(self) -> list[Gathered]:
        """Return the entries of the partitions that are not forgotten."""
        return [
            gathered
            for entries_by_key in self._entries.values()
            for gathered in entries_by_key.values()
            if gathered.source.tp in self.offsets
        ]

    def _by_key(self, table: HistoryTable) -> dict[Any, Gathered]:
        entries_by_key = self._entries.get(table.name)
        if entries_by_key is None:
            entries_by_key = self._entries[table.name] = {}
            self._keys[table.name] = itemgetter(*table.places[0])
        return entries_by_key


def _stands(entry: Entry, before: Entry) -> bool:
    """Return whether an entry stands in place of another with its key."""
    if entry.table.keeps_first:
        return bool(entry.rank < before.rank)
    return bool(entry.rank >= before.rank)


def by_table(gathered: Iterable[Gathered]) -> Iterator[tuple[HistoryTable, list[Gathered]]]:
    """Yield each table with its entries."""
    tables: dict[str, list[Gathered]] = {}
    for gathered_entry in gathered:
        tables.setdefault(gathered_entry.entry.table.name, []).append(gathered_entry)
    for entries in tables.values():
        yield entries[0].entry.table, entries
