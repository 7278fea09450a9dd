"""Judge history by a rule file: what would have opened and resolved, and when."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from agents.cli.rule_episodes import Episode, Episodes
from agents.cli.rule_history import Record
from agents.rule_file.load import LoadedRules
from schemas.rule_kinds import Rule
from schemas.spans import MINUTE_MS
from streams.rules.evaluator import Evaluator
from streams.rules.kinds import kind_for
from streams.rules.records import name_of

Difference = Literal["same", "changed", "only here", "only there"]


class Range(NamedTuple):
    """What is looked at: from <= t < to, None where there is no bound."""

    from_ms: int | None
    to_ms: int | None


class Backtest:
    """One rule file over the records it is given."""

    def __init__(self, loaded: LoadedRules, over: Range) -> None:
        self.loaded = loaded
        self.windows = 0
        self.series: set[str] = set()
        self.first_ms: int | None = None
        self.last_ms = 0
        self._over = over
        self._since_ms = None if over.from_ms is None else over.from_ms - reach_ms(loaded)
        self._partitions: dict[int, Evaluator] = {}
        self._episodes = Episodes()

    def take(self, record: Record) -> None:
        """Take a record in, in its partition's order."""
        window = record.told.window
        if self._since_ms is not None and window.end_ms <= self._since_ms:
            return
        if self._over.to_ms is not None and window.end_ms > self._over.to_ms:
            return
        self.windows += 1
        self.series.add(name_of(record.told))
        if window.size == "1m":
            first = window.start_ms if self.first_ms is None else self.first_ms
            self.first_ms = min(first, window.start_ms)
            self.last_ms = max(self.last_ms, window.end_ms)
        evaluation = self._partitions.get(record.partition)
        if evaluation is None:
            evaluation = Evaluator(self.loaded.rules, self.loaded.hash, partition=record.partition)
            self._partitions[record.partition] = evaluation
        for said in evaluation.evaluate(record.offset, record.timestamp_ms, record.told):
            self._episodes.take(said.value)

    def end(self) -> None:
        """Let time pass to the end of what is looked at."""
        until_ms = self.last_ms if self._over.to_ms is None else self._over.to_ms
        for evaluation in self._partitions.values():
            for said in evaluation.pass_time(until_ms):
                self._episodes.take(said.value)

    @property
    def range(self) -> tuple[int, int]:
        """Return from when to when was looked at."""
        first = self._over.from_ms if self._over.from_ms is not None else self.first_ms or 0
        return first, self._over.to_ms if self._over.to_ms is not None else self.last_ms

    def episodes(self) -> list[Episode]:
        """Return the breaches that were open within the range, by the time they opened."""
        from_ms, to = self.range
        return [
            it
            for it in self._episodes.all()
            if it.opened_ms <= to and (it.resolved_ms is None or it.resolved_ms >= from_ms)
        ]


def reach_ms(loaded: LoadedRules) -> int:
    """Return how much earlier one must begin to read, so that the rules know what they need."""
    return max((_reach_ms(rule) for rule in loaded.rules.rules), default=0) + 10 * MINUTE_MS


def _reach_ms(rule: Rule) -> int:
    lookback_ms = kind_for(rule).lookback_ms
    return lookback_ms + getattr(rule, "for_ms", 0) + rule.keep_firing_for


class Compared(NamedTuple):
    """A breach of one or both rule files."""

    difference: Difference
    here: Episode | None
    there: Episode | None

    @property
    def any(self) -> Episode:
        """The one there is."""
        found = self.here or self.there
        assert found is not None
        return found


def compare(here: Sequence[Episode], there: Sequence[Episode]) -> list[Compared]:
    """Return the breaches of both, those of one rule and series paired where they overlap."""
    left = list(there)
    compared = []
    for one in here:
        other = next((it for it in left if _overlap(one, it)), None)
        if other is None:
            compared.append(Compared("only here", one, None))
            continue
        left.remove(other)
        compared.append(Compared("same" if _same(one, other) else "changed", one, other))
    compared += [Compared("only there", None, one) for one in left]
    return sorted(compared, key=lambda it: (it.any.opened_ms, it.any.rule, it.any.series))


def _overlap(one: Episode, other: Episode) -> bool:
    if (one.rule, one.series) != (other.rule, other.series):
        return False
    ends = float("inf")
    return (one.resolved_ms or ends) >= other.opened_ms and (
        other.resolved_ms or ends
    ) >= one.opened_ms


def _same(one: Episode, other: Episode) -> bool:
    def told(it: Episode) -> tuple[object, ...]:
        return it.opened_ms, it.resolved_ms, it.severity

    return told(one) == told(other)
