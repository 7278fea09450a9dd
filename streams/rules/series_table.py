"""Find and make the series of a partition, and say which of their states to write."""

from collections.abc import Collection, Iterator, MutableMapping

from schemas.rule_file import RuleFile
from schemas.spans import MINUTE_MS
from streams.measure.digests import Engine
from streams.rules.aggregate_reader import AggregateRecord, kind_of, labels_of
from streams.rules.compiled import CompiledRule, RuleIndex, compile_rules
from streams.rules.series_rules import SeriesRules
from streams.rules.series_state import SeriesState, pack, settled_of, unpack_series

_HOUR = 60
_WEEK = 7 * 24 * 60


class SeriesTable:
    """The series under their rules, over their packed states."""

    def __init__(self, packed: MutableMapping[bytes, bytes], engine: Engine) -> None:
        """Look at a partition's packed states; `use` must follow.

        Args:
            packed: by key; what begins with ~ is no series'.
            engine: merges digests.
        """
        self.rules_hash = ""
        self.has_rules = False
        self.generation = 0
        """Of the rules."""
        self.dirty: set[bytes] = set()
        """The keys of the states that changed."""
        self.awake: dict[bytes, SeriesRules] = {}
        """The series that time alone changes, or that were not written since."""
        self._packed = packed
        self._engine = engine
        self._index = RuleIndex(())
        self._series: dict[bytes, SeriesRules] = {}
        self._unselected: set[bytes] = set()
        self._pruned_at = 0

    def use(self, file: RuleFile, rules_hash: str) -> Iterator[tuple[bytes, SeriesRules]]:
        """Judge by rules from here on; yield each series that was there, once it is under them."""
        self.rules_hash = rules_hash
        self.has_rules = bool(file.rules)
        self._index = RuleIndex(compile_rules(file))
        self._series.clear()
        self.awake.clear()
        self._unselected.clear()
        for key, packed in sorted(self._packed.items()):
            if key.startswith(b"~"):
                continue
            state = unpack_series(packed)
            series = self._put(key, state, self._index.select(state.kind, state.labels))
            yield key, series
            if not series.is_at_rest:
                self.awake[key] = series
            elif key not in self.dirty:
                del self._series[key]

    def find(self, key: bytes, aggregate: AggregateRecord, horizon: int) -> SeriesRules | None:
        """Return the series of an aggregate, new or as stored; None if no rule looks at it.

        Args:
            key: of its state.
            aggregate: the record.
            horizon: the newest final minute of the partition.
        """
        series = self._series.get(key)
        if series is not None or key in self._unselected:
            return series
        packed = self._packed.get(key)
        kind, labels = kind_of(aggregate), labels_of(aggregate)
        rules = self._index.select(kind, labels)
        if packed:
            return self._put(key, unpack_series(packed), rules)
        if not rules:
            self._unselected.add(key)
            return None
        first = aggregate.window.start_ms // MINUTE_MS
        if aggregate.window.size != "1m":
            first = max(horizon, aggregate.window.end_ms // MINUTE_MS)
        before = first - 1
        state = SeriesState(
            self.generation, -1, before, 0, kind, labels, before, before, first, first
        )
        return self._put(key, state, rules)

    def _put(self, key: bytes, state: SeriesState, rules: tuple[CompiledRule, ...]) -> SeriesRules:
        name = key.partition(b"/")[2].decode()
        series = self._series[key] = SeriesRules(
            name, state, rules, self.rules_hash, self._engine, adopts=self.has_rules
        )
        if series.is_changed:
            self.dirty.add(key)
        return series

    def change(self, key: bytes, *, awake: bool) -> None:
        """Note that the state of a series changed, and whether time alone changes it further."""
        self.dirty.add(key)
        if awake:
            self.awake[key] = self._series[key]
        else:
            self.awake.pop(key, None)

    def take_changes(
        self, only: Collection[bytes] | None = None
    ) -> list[tuple[bytes, bytes | None]]:
        """Return the states that changed, packed; by default all, else those with these keys."""
        keys = self.dirty if only is None else self.dirty.intersection(only)
        changes: list[tuple[bytes, bytes | None]] = [(key, self._pack(key)) for key in sorted(keys)]
        self.dirty = self.dirty - keys
        return changes

    def _pack(self, key: bytes) -> bytes:
        series = self._series[key]
        series.state.generation = self.generation
        packed = self._packed[key] = pack(series.pack())
        if key not in self.awake:
            del self._series[key]
        return packed

    def take_forgotten(self, newest: int) -> list[tuple[bytes, bytes | None]]:
        """Delete states at rest of which nothing came for a week, looking once an hour.

        Args:
            newest: the newest final minute.
        """
        if newest < self._pruned_at + _HOUR:
            return []
        self._pruned_at = newest
        old = [
            key
            for key, packed in self._packed.items()
            if not key.startswith(b"~") and key not in self._series
            if settled_of(packed) < newest - _WEEK
        ]
        for key in old:
            del self._packed[key]
        return [(key, None) for key in sorted(old)]
