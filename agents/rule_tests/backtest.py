"""Judge recorded aggregates by a rule file: what would have opened and resolved, and when."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agents.rule_file.load import LoadedRules
from agents.rule_tests.episodes import BreachEpisode, BreachEpisodes
from schemas.rule_kinds import Rule
from schemas.spans import MINUTE_MS
from streams.rules.aggregate_reader import AggregateRecord, kind_of, name_of, read_aggregate
from streams.rules.evaluator import Evaluator
from streams.rules.kinds import kind_for

Difference = Literal["same", "changed", "only here", "only there"]


class NotRecorded(Exception):
    """A file that `opwatch tail --json` has not written; the sentence says where."""


class RecordedAggregate(NamedTuple):
    """A record on `aggregates`."""

    partition: int
    offset: int
    timestamp_ms: int
    aggregate: AggregateRecord


class TimeRange(NamedTuple):
    """The time that a backtest judges: from <= t < to, None where there is no bound."""

    from_ms: int | None
    to_ms: int | None


class Backtest:
    """Evaluates the rules of a file over records."""

    def __init__(self, loaded: LoadedRules, over: TimeRange) -> None:
        self.loaded = loaded
        self.windows = 0
        self.series: set[str] = set()
        self.first_ms: int | None = None
        self.last_ms = 0
        self._over = over
        self._since_ms = None if over.from_ms is None else over.from_ms - reach_ms(loaded)
        self._partitions: dict[int, Evaluator] = {}
        self._episodes = BreachEpisodes()

    def take(self, record: RecordedAggregate) -> None:
        """Evaluate a record; the records of a partition come in their order."""
        window = record.aggregate.window
        if self._since_ms is not None and window.end_ms <= self._since_ms:
            return
        if self._over.to_ms is not None and window.end_ms > self._over.to_ms:
            return
        self.windows += 1
        self.series.add(name_of(record.aggregate))
        if window.size == "1m":
            first = window.start_ms if self.first_ms is None else self.first_ms
            self.first_ms = min(first, window.start_ms)
            self.last_ms = max(self.last_ms, window.end_ms)
        evaluator = self._partitions.get(record.partition)
        if evaluator is None:
            evaluator = Evaluator(self.loaded.rules, self.loaded.hash, partition=record.partition)
            self._partitions[record.partition] = evaluator
        for breach in evaluator.evaluate(record.offset, record.timestamp_ms, record.aggregate):
            self._episodes.take(breach.value)

    def end(self) -> None:
        """Let time pass to the end of the range."""
        until_ms = self.last_ms if self._over.to_ms is None else self._over.to_ms
        for evaluator in self._partitions.values():
            for breach in evaluator.pass_time(until_ms):
                self._episodes.take(breach.value)

    @property
    def range(self) -> tuple[int, int]:
        """Return the range that was judged, epoch ms; the records bound what the user did not."""
        first = self._over.from_ms if self._over.from_ms is not None else self.first_ms or 0
        return first, self._over.to_ms if self._over.to_ms is not None else self.last_ms

    def episodes(self) -> list[BreachEpisode]:
        """Return the breaches that were open within the range, by the time they opened."""
        from_ms, to = self.range
        return [
            episode
            for episode in self._episodes.all()
            if episode.opened_ms <= to
            and (episode.resolved_ms is None or episode.resolved_ms >= from_ms)
        ]


def reach_ms(loaded: LoadedRules) -> int:
    """Return how much before its range a backtest must begin to read, for the rules' spans."""
    return max((_reach_ms(rule) for rule in loaded.rules.rules), default=0) + 10 * MINUTE_MS


def _reach_ms(rule: Rule) -> int:
    lookback_ms = kind_for(rule).lookback_ms
    return lookback_ms + getattr(rule, "for_ms", 0) + rule.keep_firing_for


def read_recording(path: Path) -> Iterator[RecordedAggregate]:
    """Yield the records of a file that `opwatch tail --json` has written.

    The file has the order within each series, but one partition after the other where it was read
    from the beginning: the series are merged by the time that each has reached.

    Raises:
        OSError: the file cannot be read.
        NotRecorded: it has another content.
    """
    with path.open("rb") as file:
        order = sorted(_places(file, path))
        for offset, (at_ms, place) in enumerate(order):
            file.seek(place)
            aggregate = read_aggregate(file.readline())
            assert aggregate is not None
            yield RecordedAggregate(0, offset, at_ms, aggregate)


def _places(file: Any, path: Path) -> Iterator[tuple[int, int]]:
    """Yield for each record the time that its series has reached, and its place in the file."""
    reached: dict[tuple[str, str], int] = {}
    place = 0
    for number, line in enumerate(file, 1):
        here, place = place, place + len(line)
        if not line.strip():
            continue
        aggregate = read_aggregate(line)
        if aggregate is None:
            hint = "record one with `opwatch tail --json --from-beginning > FILE`"
            raise NotRecorded(f"{path}:{number} is no aggregate: {hint}.")
        window, key = aggregate.window, (kind_of(aggregate), name_of(aggregate))
        at_ms = window.end_ms if aggregate.final else window.start_ms if window.size == "1m" else 0
        reached[key] = max(reached.get(key, 0), at_ms)
        yield reached[key], here
    if not reached:
        raise NotRecorded(f"{path} has no aggregates.")


class ComparedEpisode(NamedTuple):
    """A breach by one rule file, by the other, or by both."""

    difference: Difference
    here: BreachEpisode | None
    there: BreachEpisode | None

    @property
    def any(self) -> BreachEpisode:
        """The episode here, else the one there."""
        found = self.here or self.there
        assert found is not None
        return found


def compare(here: Sequence[BreachEpisode], there: Sequence[BreachEpisode]) -> list[ComparedEpisode]:
    """Return the breaches of both, those of one rule and series paired where they overlap."""
    unpaired = list(there)
    compared = []
    for episode in here:
        other = next((it for it in unpaired if _overlap(episode, it)), None)
        if other is None:
            compared.append(ComparedEpisode("only here", episode, None))
            continue
        unpaired.remove(other)
        difference: Difference = "same" if _same(episode, other) else "changed"
        compared.append(ComparedEpisode(difference, episode, other))
    compared += [ComparedEpisode("only there", None, episode) for episode in unpaired]
    return sorted(compared, key=lambda it: (it.any.opened_ms, it.any.rule, it.any.series))


def _overlap(first: BreachEpisode, second: BreachEpisode) -> bool:
    if (first.rule, first.series) != (second.rule, second.series):
        return False
    never = float("inf")
    return (first.resolved_ms or never) >= second.opened_ms and (
        second.resolved_ms or never
    ) >= first.opened_ms


def _same(first: BreachEpisode, second: BreachEpisode) -> bool:
    def compared(episode: BreachEpisode) -> tuple[object, ...]:
        return episode.opened_ms, episode.resolved_ms, episode.severity, episode.muted

    return compared(first) == compared(second)
