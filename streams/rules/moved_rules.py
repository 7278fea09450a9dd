"""Move what rules know to the partitions that series have by another number.

Offsets begin anew there: each state counts as evaluated up to where its new partition begins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from streams.measure.window_times import SIZES
from streams.rules.aggregate_reader import AggregateRecord, ServiceRecord, kind_of, name_of
from streams.rules.series_state import (
    PARTITION_PREFIX,
    RULES_PREFIX,
    PartitionProgress,
    RulesInEffect,
    pack,
    unpack_partition,
    unpack_rules,
    unpack_series,
)

TargetOf = Callable[[str, str, int], int]
"""Returns the new partition of a kind's series, by the one that has it now."""


class MovedRules:
    """The states of the rules, on their way to other partitions."""

    def __init__(self, own: Sequence[Mapping[bytes, bytes]], begins: Sequence[int]) -> None:
        """Begin with what the partitions know besides their series.

        Args:
            own: of each partition, the rows that are no series'.
            begins: where each new partition of `aggregates` begins; none at 0.
        """
        self._begins = begins
        progress = [
            unpack_partition(rows[key])
            for number, rows in enumerate(own)
            if (key := PARTITION_PREFIX + b"%d" % number) in rows
        ]
        rules = [
            unpack_rules(rows[key])
            for number, rows in enumerate(own)
            if (key := RULES_PREFIX + b"%d" % number) in rows
        ]
        # By a file that another has replaced nobody is to be judged; the others follow it.
        self._rules: RulesInEffect | None = max(rules, key=_generation_of, default=None)
        self._generation = max(
            [it.generation for it in progress] + [it.generation for it in rules], default=0
        )
        # A partition is final as far as the slowest was whose series it now has.
        self._horizon = _least([it.horizon for it in progress])
        self._quiet = _least([it.quiet for it in progress])

    def of_partition(self, partition: int) -> list[tuple[bytes, bytes]]:
        """Return what a new partition knows besides its series."""
        begin = self._begins[partition]
        progress = PartitionProgress(self._generation, begin, self._horizon, self._quiet)
        rows = [(PARTITION_PREFIX + b"%d" % partition, pack(progress))]
        if self._rules is not None:
            rules = RulesInEffect(self._generation, self._rules.hash, self._rules.text)
            rows.append((RULES_PREFIX + b"%d" % partition, pack(rules)))
        return rows

    def series(
        self, rows: Mapping[bytes, bytes], partition: int, target_of: TargetOf
    ) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the series of a partition, each with its new partition."""
        for key, packed in rows.items():
            if key.startswith(b"~"):
                continue
            state = unpack_series(packed)
            target = target_of(state.kind, key.partition(b"/")[2].decode(), partition)
            state.generation = self._generation
            if state.offset >= 0:  # else nothing of it was evaluated
                state.offset = self._begins[target] - 1
            yield target, key, pack(state)


class UnreadAggregate(NamedTuple):
    """A record on `aggregates` that rules have not evaluated yet."""

    key: bytes
    value: bytes
    timestamp_ms: int
    aggregate: AggregateRecord

    @property
    def series(self) -> tuple[str, str]:
        """The kind and the name of its series."""
        return kind_of(self.aggregate), name_of(self.aggregate)


def in_order(records: Iterable[UnreadAggregate]) -> list[UnreadAggregate]:
    """Return records of several partitions as one would have them.

    Of each window only the newest; and an earlier minute before a later one, because a final one
    says that all before it came. Each service speaks for itself: its own stay in their order.
    """
    services: list[UnreadAggregate] = []
    newest: dict[bytes, UnreadAggregate] = {}
    for record in records:
        if isinstance(record.aggregate, ServiceRecord):
            services.append(record)
        elif record.key not in newest or _version(record) >= _version(newest[record.key]):
            newest[record.key] = record
    return services + sorted(newest.values(), key=_order)


def _version(record: UnreadAggregate) -> tuple[int, bool]:
    return record.aggregate.revision, record.aggregate.final


def _order(record: UnreadAggregate) -> tuple[int, int]:
    window = record.aggregate.window
    return window.start_ms, SIZES.index(window.size)


def _generation_of(rules: RulesInEffect) -> int:
    return rules.generation


def _least(minutes: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return by kind the earliest minute of those that know one."""
    kinds = {kind for by_kind in minutes for kind in by_kind}
    return {kind: min(by_kind[kind] for by_kind in minutes if kind in by_kind) for kind in kinds}
