"""Evaluate the rules over one partition of `aggregates`, record by record.

What is said depends on the log, and on what was written ahead of saying it (the clock where a
partition is silent, the rule file): never on when records are read, or by whom. The agent, a
backtest and a rule test drive it alike:

    evaluation = Evaluator(rule_file, rules_hash, partition=3)
    for record in log:
        said = evaluation.evaluate(record.offset, record.timestamp, read_aggregate(record.value))
    said = evaluation.pass_time(until_ms)        # nothing more comes: silent series settle
    breaches = [Breach.model_validate_json(one.value) for one in said]
"""

from collections.abc import Collection, MutableMapping
from typing import NamedTuple

from schemas.rule_file import RuleFile
from streams.measure.digests import ENGINES, Engine
from streams.rules.breach import key_of
from streams.rules.compiled import CompiledRule, compile_rules
from streams.rules.records import (
    AggregateRecord,
    ServiceRecord,
    kind_of,
    labels_of,
    name_of,
    read_aggregate,
)
from streams.rules.rule_changes import NOTHING, reload
from streams.rules.selector import Index
from streams.rules.series_rules import STALE_MS, SeriesRules
from streams.rules.series_state import (
    STATE_PREFIX,
    PartitionState,
    SeriesState,
    pack,
    settled_of,
    unpack_partition,
    unpack_series,
)

__all__ = ["STALE_MS", "BreachRecord", "Evaluator", "read_aggregate"]

_MINUTE_MS = 60_000
_HOUR = 60
_WEEK = 7 * 24 * 60
#: A partition that says nothing for so long is silent; the clock settles it so far behind.
QUIET_MS = 120_000
#: Who was not told for longer where the log ends begins to listen anew: Kafka may have been away.
DEAF_MS = 10_000
#: Kinds of which a final minute of one series says that earlier ones of the others are final too.
#: A service's minutes follow one another without a gap, and each only speaks for itself.
_FINAL_TOGETHER = {"operations"}


class BreachRecord(NamedTuple):
    """A breach to publish."""

    key: bytes
    """The record's key: the fingerprint."""
    value: bytes
    """A schemas.breaches.Breach as JSON; the same id and revision is always the same bytes."""
    row: bytes
    """The key of the row that rests on it: to be written once this is published."""


class Evaluator:
    """The rules over one partition's series."""

    def __init__(
        self,
        rules: RuleFile,
        rules_hash: str,
        *,
        partition: int = 0,
        packed: MutableMapping[bytes, bytes] | None = None,
        generation: int = 0,
        engine: Engine = ENGINES["fastdigest"],
    ) -> None:
        """Begin with what the table holds.

        Args:
            rules: to judge by. What the table has open by others is resolved by the next call.
            rules_hash: of the rule file.
            partition: of `aggregates`.
            packed: the partition's rows, kept in step by take_changes.
            generation: grows with each rule file, so that rows do.
            engine: merges digests.
        """
        self.rules_hash = rules_hash
        """Of the rules in effect."""
        self.has_rules = False
        """Whether the rule file in effect has any; one without ends nothing."""
        self.next_offset = 0
        """The first offset not taken in yet."""
        self.evaluated = 0
        """How many records rules were evaluated for; set it back at will."""
        self._engine = engine
        self._packed = {} if packed is None else packed
        self._state_key = STATE_PREFIX + str(partition).encode()
        self._state = PartitionState()
        if known := self._packed.get(self._state_key):
            self._state = unpack_partition(known)
        self.next_offset = self._state.offset
        self._generation = max(generation, self._state.generation)
        self._written = self._state.offset, dict(self._state.horizon)
        self._clock: dict[str, int] = {}
        self._quiet: dict[str, int] = {}
        self._is_clock_written = False
        self._heard: dict[str, tuple[int, int]] = {}
        self._seen_ms: int | None = None
        self._taken: dict[str, int] = {}
        self._judged: dict[bytes, SeriesRules] = {}
        self._awake: dict[bytes, SeriesRules] = {}
        self._dirty: set[bytes] = set()
        self._unselected: set[bytes] = set()
        self._owed: list[BreachRecord] = []
        self._looked = 0
        self._use(rules)

    # ------------------------------------------------------------------ inputs

    def evaluate(
        self, offset: int, timestamp_ms: int, told: AggregateRecord | None
    ) -> list[BreachRecord]:
        """Take a record in; return what it makes us say, in order.

        Args:
            offset: the record's. What is known already is skipped.
            timestamp_ms: the record's: 15 minutes past its window's end it is history (stale).
            told: as read_aggregate returned it; None for a record of no concern.
        """
        if offset < self.next_offset:
            return []
        said = self.take_pending()
        self.next_offset = offset + 1
        if told is None:
            return said
        kind = kind_of(told)
        self._taken[kind] = self._taken.get(kind, 0) + 1
        horizon = self._state.horizon.get(kind, 0)
        if told.final and told.window.size == "1m":
            minute = told.window.start_ms // _MINUTE_MS
            if kind not in _FINAL_TOGETHER:
                horizon = minute
            elif minute > horizon:
                horizon = self._state.horizon[kind] = minute
                said += self._sweep(kind, timestamp_ms)
        key = f"{kind}/{name_of(told)}".encode()
        judged = self._of(key, told, horizon)
        if judged is None or offset <= judged.row.offset:
            return said
        self.evaluated += 1
        self._dirty.add(key)
        if isinstance(told, ServiceRecord) and told.forgotten:
            # The row stays for a week: what is read again after a restart is known then.
            self._awake.pop(key, None)
            minute = told.window.start_ms // _MINUTE_MS
            said += _said(key, judged.leave(minute, timestamp_ms))
        else:
            self._awake[key] = judged
            said += _said(key, judged.evaluate(told, timestamp_ms, horizon))
        judged.row.offset = offset
        return said

    def pass_time(self, until_ms: int) -> list[BreachRecord]:
        """Take minutes before a time as final also where nothing was heard of them.

        For backtests and rule tests, at the end or where a gap is to be judged. The agent's way is
        `tick`.
        """
        said = self.take_pending()
        minute = until_ms // _MINUTE_MS
        for kind in self._kinds():
            if minute > self._state.horizon.get(kind, 0):
                self._state.horizon[kind] = minute
                said += self._sweep(kind, until_ms)
        return said

    def tick(self, now_ms: int, *, seen_ms: int | None) -> list[BreachRecord]:
        """Let the clock settle silent partitions, two minutes behind, and look for silence.

        What the clock says takes effect once it is written: call `take_changes`, write them, then
        `written`; the next tick says what follows.

        Args:
            now_ms: the clock.
            seen_ms: the time at which the log's end was where it was read to, as the broker told;
                None: it is not read to its end.
        """
        said = self.take_pending()
        before_ms, self._seen_ms = self._seen_ms, seen_ms
        if seen_ms is None or before_ms is None or seen_ms - before_ms > DEAF_MS:
            self._heard.clear()
        if seen_ms is None:
            return said
        seen_ms = min(seen_ms, now_ms)
        minute = (seen_ms - QUIET_MS) // _MINUTE_MS
        for kind in self._kinds():
            taken = self._taken.get(kind, 0)
            before, since_ms = self._heard.get(kind, (-1, seen_ms))
            if taken != before:
                self._heard[kind] = taken, seen_ms
            elif seen_ms - since_ms >= QUIET_MS and minute > self._state.horizon.get(kind, 0):
                self._clock[kind] = minute
                self._quiet[kind] = seen_ms // _MINUTE_MS
        return said

    def reload(
        self, rules: RuleFile, rules_hash: str, generation: int | None = None
    ) -> list[BreachRecord]:
        """Judge by other rules from here on.

        What removed rules had open ends, what changed ones had open goes on if it still holds; a
        file without any rule ends nothing. The agent writes all changes, and then which rules
        there are, first.
        """
        said = self.take_pending()
        dirty = set(self._dirty)
        self.take_changes()
        self.rules_hash = rules_hash
        self._generation = self._generation + 1 if generation is None else generation
        self._dirty = dirty
        self._use(rules)
        return said + self.take_pending()

    # ------------------------------------------------------------------ rows

    def take_changes(
        self, only: Collection[bytes] | None = None
    ) -> list[tuple[bytes, bytes | None]]:
        """Return the rows to write to the table's changelog, None to delete.

        Args:
            only: of these rows (BreachRecord.row); by default all that changed, and the
                partition's own:
                then everything before next_offset is done once they are written.
        """
        keys = self._dirty if only is None else self._dirty.intersection(only)
        changes: list[tuple[bytes, bytes | None]] = [(key, self._pack(key)) for key in sorted(keys)]
        self._dirty -= set(keys)
        if only is not None:
            return changes
        changes += self._forgotten()
        horizon = self._state.horizon | self._clock
        if (self.next_offset, horizon) != self._written:
            self._written = self.next_offset, dict(horizon)
            quiet = self._state.quiet | self._quiet
            packed = pack(PartitionState(self._generation, self.next_offset, horizon, quiet))
            self._packed[self._state_key] = packed
            changes.append((self._state_key, packed))
        self._is_clock_written = bool(self._clock)
        return changes

    def written(self) -> None:
        """Say that all that take_changes returned is on the broker."""
        if not self._is_clock_written:
            return
        self._is_clock_written = False
        for kind, minute in self._clock.items():
            self._state.horizon[kind] = max(minute, self._state.horizon.get(kind, 0))
        self._clock.clear()
        self._state.quiet |= self._quiet
        self._quiet.clear()
        for kind in self._state.horizon:
            self._owed += self._sweep_by_clock(kind)

    @property
    def dirty(self) -> list[bytes]:
        """The keys of the rows that changed."""
        return sorted(self._dirty)

    @property
    def wants_written(self) -> bool:
        """Whether the clock says something that must be written before it takes effect."""
        return bool(self._clock)

    @property
    def firing(self) -> int:
        """How many breaches are open."""
        return sum(judged.firing for judged in self._awake.values())

    # ------------------------------------------------------------------ series

    def _of(self, key: bytes, told: AggregateRecord, horizon: int) -> SeriesRules | None:
        judged = self._judged.get(key)
        if judged is not None or key in self._unselected:
            return judged
        packed = self._packed.get(key)
        row = unpack_series(packed) if packed else None
        labels = labels_of(told)
        rules = self._index.select(kind_of(told), labels)
        if not rules and row is None:
            self._unselected.add(key)
            return None
        if row is None:
            first = told.window.start_ms // _MINUTE_MS
            if told.window.size != "1m":
                first = max(horizon, told.window.end_ms // _MINUTE_MS)
            settled = first - 1
            row = SeriesState(
                self._generation, -1, settled, 0, kind_of(told), labels, settled, settled,
                {}, {}, {}, {}, {},
            )  # fmt: skip
        return self._judge(key, row, rules)

    def _judge(self, key: bytes, row: SeriesState, rules: tuple[CompiledRule, ...]) -> SeriesRules:
        reloaded = reload(row, rules) if self.has_rules else NOTHING
        name = key.partition(b"/")[2].decode()
        judged = self._judged[key] = SeriesRules(name, row, rules, self.rules_hash, self._engine)
        self._owed += _said(key, [*reloaded.said, *judged.change(reloaded.changes)])
        if reloaded.is_changed:
            self._dirty.add(key)
        return judged

    def _use(self, file: RuleFile) -> None:
        """Judge the series of the table by rules, and keep those awake that time changes."""
        self.has_rules = bool(file.rules)
        self._index = Index(compile_rules(file))
        self._judged.clear()
        self._awake.clear()
        self._unselected.clear()
        for key, packed in sorted(self._packed.items()):
            if key.startswith(b"~"):
                continue
            row = unpack_series(packed)
            judged = self._judge(key, row, self._index.select(row.kind, row.labels))
            if not judged.is_at_rest:
                self._awake[key] = judged
            elif key not in self._dirty:
                del self._judged[key]
        for kind in self._state.horizon:
            self._owed += self._sweep_by_clock(kind)

    def _pack(self, key: bytes) -> bytes:
        judged = self._judged[key]
        judged.row.generation = self._generation
        packed = self._packed[key] = pack(judged.pack())
        if key not in self._awake:
            del self._judged[key]
        return packed

    def _forgotten(self) -> list[tuple[bytes, bytes | None]]:
        """Delete rows at rest of which nothing was heard for a week, looking once an hour."""
        newest = max(self._state.horizon.values(), default=0)
        if newest < self._looked + _HOUR:
            return []
        self._looked = newest
        old = [
            key
            for key, packed in self._packed.items()
            if not key.startswith(b"~") and key not in self._judged
            if settled_of(packed) < newest - _WEEK
        ]
        for key in old:
            del self._packed[key]
        return [(key, None) for key in sorted(old)]

    # ------------------------------------------------------------------ time

    def _kinds(self) -> set[str]:
        return _FINAL_TOGETHER.intersection(one.row.kind for one in self._awake.values())

    def _sweep_by_clock(self, kind: str) -> list[BreachRecord]:
        return self._sweep(kind, self._state.horizon[kind] * _MINUTE_MS + QUIET_MS)

    def _sweep(self, kind: str, timestamp_ms: int) -> list[BreachRecord]:
        """Settle the series of which nothing is heard; let go those that time changes no more."""
        horizon, quiet = self._state.horizon[kind], self._state.quiet.get(kind, 0)
        said: list[BreachRecord] = []
        for key, judged in list(self._awake.items()):
            row = judged.row
            if row.kind != kind or (row.settled >= horizon - 1 and not judged.firing):
                continue
            before = row.settled
            spoken = _said(key, judged.settle(horizon, timestamp_ms, quiet))
            said += spoken
            if spoken or row.settled != before:
                self._dirty.add(key)
            if judged.is_at_rest:
                del self._awake[key]
                self._dirty.add(key)
        return said

    def take_pending(self) -> list[BreachRecord]:
        """Return what the clock or other rules made us say; say it before rows are written."""
        owed, self._owed = self._owed, []
        return owed


def _said(key: bytes, breaches: list[bytes]) -> list[BreachRecord]:
    return [BreachRecord(key_of(one), one, key) for one in breaches]
