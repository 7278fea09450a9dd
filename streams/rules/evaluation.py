"""Evaluate the rules over one partition of `aggregates`, record by record.

What is said depends on the log, and on what was written ahead of saying it (the clock where a
partition is silent, the rule file): never on when records are read, or by whom. The agent, a
backtest and a rule test drive it alike:

    evaluation = Evaluation(rule_file, rules_hash, partition=3)
    for record in log:
        said = evaluation.take(record.offset, record.timestamp, read_aggregate(record.value))
    said = evaluation.pass_time(until_ms)        # nothing more comes: silent series settle
    breaches = [Breach.model_validate_json(one.value) for one in said]
"""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.rule_file import RuleFile
from streams.digests import ENGINES, Engine
from streams.rules.records import Told, read_aggregate

__all__ = ["Evaluation", "Said", "read_aggregate"]


class Said(NamedTuple):
    """A breach to publish."""

    key: bytes
    """The record's key: the fingerprint."""
    value: bytes
    """A schemas.breaches.Breach as JSON; the same id and revision is always the same bytes."""
    row: bytes
    """The key of the row that rests on it: to be written once this is published."""


class Evaluation:
    """The rules over one partition's series."""

    rules_hash: str
    """Of the rules in effect."""
    next_offset: int
    """The first offset not taken in yet."""

    def __init__(
        self,
        rules: RuleFile,
        rules_hash: str,
        *,
        partition: int = 0,
        packed: Mapping[bytes, bytes] | None = None,
        engine: Engine = ENGINES["fastdigest"],
    ) -> None:
        """Begin with what the table holds.

        Args:
            rules: in effect, unless the table says which were: then `reload` once all that was
                there at the start is taken in.
            rules_hash: of the rule file.
            partition: of `aggregates`.
            packed: the partition's rows, as take_changes gave them.
            engine: merges digests.
        """

    def take(self, offset: int, timestamp_ms: int, told: Told | None) -> list[Said]:
        """Take a record in; return what it makes us say, in order.

        Args:
            offset: the record's. What its row knows already is skipped.
            timestamp_ms: the record's: 15 minutes past its window's end it is history (stale).
            told: as read_aggregate returned it; None for a record of no concern.
        """
        raise NotImplementedError

    def pass_time(self, until_ms: int) -> list[Said]:
        """Take minutes before a time as final also where nothing was heard of them.

        For backtests and rule tests, at the end or where a gap is to be judged. The agent's way is
        `tick`.
        """
        raise NotImplementedError

    def tick(self, now_ms: int, *, caught_up: bool) -> list[Said]:
        """Let the clock settle silent partitions, two minutes behind, and look for silence.

        What the clock says takes effect once it is written: call `take_changes`, write them, then
        `written`; the next tick says what follows.

        Args:
            now_ms: the clock.
            caught_up: whether the partition is read to its end.
        """
        raise NotImplementedError

    def reload(self, rules: RuleFile, rules_hash: str) -> list[Said]:
        """Judge by other rules from here on; resolve what rules had open that are gone or changed.

        Write what `rules_row` returns first.
        """
        raise NotImplementedError

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return the rows to write to the table's changelog, None to delete; none stays owed."""
        raise NotImplementedError

    def written(self) -> None:
        """Say that what take_changes returned is on the broker."""
        raise NotImplementedError
