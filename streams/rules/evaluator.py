"""Evaluate the rules over one partition of `aggregates`, record by record.

The breach records depend on the log, and on what was written ahead of them (the clock where a
partition is silent, the rule file): never on when records are read, or by whom. The agent, a
backtest and a rule test drive it alike:

    evaluator = Evaluator(rule_file, rules_hash, partition=3)
    for record in log:
        records = evaluator.evaluate(record.offset, record.timestamp, read_aggregate(record.value))
    records = evaluator.pass_time(until_ms)      # nothing more comes: silent series settle
    breaches = [Breach.model_validate_json(it.value) for it in records]
"""

from collections.abc import Collection, MutableMapping
from typing import NamedTuple

from schemas.rule_file import RuleFile
from schemas.spans import MINUTE_MS
from streams.measure.digests import ENGINES, Engine
from streams.rules.aggregate_reader import (
    AggregateRecord,
    ServiceRecord,
    kind_of,
    name_of,
    read_aggregate,
)
from streams.rules.breach import key_of
from streams.rules.quiet_partitions import QUIET_MS, QuietClock
from streams.rules.series_state import (
    PARTITION_PREFIX,
    PartitionProgress,
    pack,
    unpack_partition,
)
from streams.rules.series_table import SeriesTable

__all__ = ["BreachRecord", "Evaluator", "read_aggregate"]

#: Kinds of which a final minute of one series says that earlier ones of the others are final too.
#: A service's minutes follow one another without a gap, and each only speaks for itself.
_FINAL_TOGETHER = {"operations", "quality"}


class BreachRecord(NamedTuple):
    """A breach to publish."""

    key: bytes
    """The record's key: the fingerprint."""
    value: bytes
    """A schemas.breaches.Breach as JSON; the same id and revision is always the same bytes."""
    state_key: bytes
    """The key of the state that rests on it: to be written once this is published."""


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
            rules: to judge by. What other rules have open is resolved by the next call.
            rules_hash: of the rule file.
            partition: of `aggregates`.
            packed: the partition's states, updated by take_changes.
            generation: grows with each rule file, so that versions do.
            engine: merges digests.
        """
        self.evaluated = 0
        """How many records rules were evaluated for; set it back at will."""
        self._packed = {} if packed is None else packed
        self._partition_key = PARTITION_PREFIX + str(partition).encode()
        stored = self._packed.get(self._partition_key)
        self._state = unpack_partition(stored) if stored else PartitionProgress()
        self.next_offset = self._state.offset
        """The first offset that was not evaluated yet."""
        self._written = self._state.offset, dict(self._state.horizon)
        self._clock = QuietClock()
        self._is_clock_written = False
        self._pending: list[BreachRecord] = []
        self._table = SeriesTable(self._packed, engine)
        self._table.generation = max(generation, self._state.generation)
        self._use(rules, rules_hash)

    # ------------------------------------------------------------------ inputs

    def evaluate(
        self, offset: int, timestamp_ms: int, aggregate: AggregateRecord | None
    ) -> list[BreachRecord]:
        """Judge by one more record; return the breaches to publish, in order.

        Args:
            offset: the record's. One that was evaluated before is skipped.
            timestamp_ms: the record's: 15 minutes past its window's end it is history (stale).
            aggregate: as read_aggregate returned it; None for a record of no concern.
        """
        if offset < self.next_offset:
            return []
        breaches = self.take_pending()
        self.next_offset = offset + 1
        if aggregate is None:
            return breaches
        kind = kind_of(aggregate)
        self._clock.count(kind)
        horizon = self._state.horizon.get(kind, 0)
        if aggregate.final and aggregate.window.size == "1m":
            minute = aggregate.window.start_ms // MINUTE_MS
            if kind not in _FINAL_TOGETHER:
                horizon = minute
            elif minute > horizon:
                horizon = self._state.horizon[kind] = minute
                breaches += self._sweep(kind, timestamp_ms)
        key = f"{kind}/{name_of(aggregate)}".encode()
        series = self._table.find(key, aggregate, horizon)
        self._pending += _records(key, series.drain()) if series is not None else ()
        if series is None or offset <= series.state.offset:
            return breaches
        self.evaluated += 1
        if isinstance(aggregate, ServiceRecord) and aggregate.forgotten:
            # The state stays for a week: what is read again after a restart is skipped then.
            self._table.change(key, awake=False)
            minute = aggregate.window.start_ms // MINUTE_MS
            breaches += _records(key, series.leave(minute, timestamp_ms))
        else:
            self._table.change(key, awake=True)
            breaches += _records(key, series.evaluate(aggregate, timestamp_ms, horizon))
        series.state.offset = offset
        return breaches

    def pass_time(self, until_ms: int) -> list[BreachRecord]:
        """Take minutes before a time as final also where nothing came.

        For backtests and rule tests, at the end or where a gap is to be judged. The agent's way is
        `tick`.
        """
        breaches = self.take_pending()
        minute = until_ms // MINUTE_MS
        for kind in self._kinds():
            if minute > self._state.horizon.get(kind, 0):
                self._state.horizon[kind] = minute
                breaches += self._sweep(kind, until_ms)
        return breaches

    def tick(self, now_ms: int, *, seen_ms: int | None) -> list[BreachRecord]:
        """Let the clock settle silent partitions, two minutes behind, and look for silence.

        What the clock decides takes effect once it is written: call `take_changes`, write them,
        then `written`; the next tick returns what follows.

        Args:
            now_ms: the clock.
            seen_ms: when the broker confirmed that the log is read to its end; None: it is not.
        """
        self._clock.tick(self._kinds(), self._state.horizon, now_ms, seen_ms)
        return self.take_pending()

    def reload(
        self, rules: RuleFile, rules_hash: str, generation: int | None = None
    ) -> list[BreachRecord]:
        """Judge by other rules from here on.

        What removed rules had open ends, what changed ones had open goes on if it still holds; a
        file without any rule ends nothing. The agent writes all changes, and then which rules
        there are, first.
        """
        breaches = self.take_pending()
        dirty = set(self._table.dirty)
        self.take_changes()
        self._table.dirty |= dirty
        if generation is None:
            generation = self._table.generation + 1
        self._table.generation = generation
        self._use(rules, rules_hash)
        return breaches + self.take_pending()

    def take_pending(self) -> list[BreachRecord]:
        """Return the breaches of the clock or of other rules; publish them before states."""
        pending, self._pending = self._pending, []
        return pending

    # ------------------------------------------------------------------ the table

    def take_changes(
        self, only: Collection[bytes] | None = None
    ) -> list[tuple[bytes, bytes | None]]:
        """Return the states to write to the table's changelog, None to delete.

        Args:
            only: of these keys (BreachRecord.state_key); by default all that changed, and the
                partition's own: then everything before next_offset is done once they are written.
        """
        changes = self._table.take_changes(only)
        if only is not None:
            return changes
        changes += self._table.take_forgotten(max(self._state.horizon.values(), default=0))
        horizon = self._state.horizon | self._clock.settled
        if (self.next_offset, horizon) != self._written:
            self._written = self.next_offset, dict(horizon)
            quiet = self._state.quiet | self._clock.quiet
            packed = pack(
                PartitionProgress(self._table.generation, self.next_offset, horizon, quiet)
            )
            self._packed[self._partition_key] = packed
            changes.append((self._partition_key, packed))
        self._is_clock_written = bool(self._clock.settled)
        return changes

    def written(self) -> None:
        """Note that all that take_changes returned is on the broker."""
        if not self._is_clock_written:
            return
        self._is_clock_written = False
        horizon = self._state.horizon
        for kind, minute in self._clock.settled.items():
            horizon[kind] = max(minute, horizon.get(kind, 0))
        self._state.quiet |= self._clock.quiet
        self._clock.clear()
        for kind in horizon:
            self._pending += self._sweep_by_clock(kind)

    @property
    def dirty(self) -> list[bytes]:
        """The keys of the states that changed."""
        return sorted(self._table.dirty)

    @property
    def wants_written(self) -> bool:
        """Whether the clock decided something that must be written before it takes effect."""
        return bool(self._clock.settled)

    @property
    def rules_hash(self) -> str:
        """The hash of the rules in effect."""
        return self._table.rules_hash

    @property
    def has_rules(self) -> bool:
        """Whether the rule file in effect has any; one without ends nothing."""
        return self._table.has_rules

    @property
    def firing(self) -> int:
        """How many breaches are open."""
        return sum(series.open_breaches for series in self._table.awake.values())

    # ------------------------------------------------------------------ time

    def _kinds(self) -> set[str]:
        return _FINAL_TOGETHER.intersection(it.state.kind for it in self._table.awake.values())

    def _use(self, rules: RuleFile, rules_hash: str) -> None:
        for key, series in self._table.use(rules, rules_hash):
            self._pending += _records(key, series.drain())
        for kind in self._state.horizon:
            self._pending += self._sweep_by_clock(kind)

    def _sweep_by_clock(self, kind: str) -> list[BreachRecord]:
        return self._sweep(kind, self._state.horizon[kind] * MINUTE_MS + QUIET_MS)

    def _sweep(self, kind: str, timestamp_ms: int) -> list[BreachRecord]:
        """Settle the series of which nothing came; let go those that time changes no more."""
        horizon, quiet = self._state.horizon[kind], self._state.quiet.get(kind, 0)
        breaches: list[BreachRecord] = []
        for key, series in list(self._table.awake.items()):
            state = series.state
            if state.kind != kind or (state.settled >= horizon - 1 and not series.open_breaches):
                continue
            before = state.settled
            records = _records(key, series.settle(horizon, timestamp_ms, quiet))
            breaches += records
            if series.is_at_rest or records or state.settled != before:
                self._table.change(key, awake=not series.is_at_rest)
        return breaches


def _records(key: bytes, breaches: list[bytes]) -> list[BreachRecord]:
    return [BreachRecord(key_of(breach), breach, key) for breach in breaches]
