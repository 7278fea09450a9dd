"""A source partition says that it is quiet only when its end was seen after the silence."""

import pytest
from faust.types import TP

from agents.folding import source_partition
from agents.folding.source_partition import QUIET_S, SourcePartition
from agents.kafka.dead_letters import DeadLetterBuffer

NOW_MS = 1_795_000_000_000


class Clock:
    def __init__(self) -> None:
        self.s = 1_000.0

    def monotonic(self) -> float:
        return self.s

    @property
    def ms(self) -> int:
        return NOW_MS + int(1_000 * self.s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(source_partition, "time", clock)
    return clock


@pytest.fixture
def source(clock: Clock) -> SourcePartition:
    return SourcePartition(TP("operations", 2), 40, DeadLetterBuffer("letters", "operations", 2))


def test_an_end_seen_before_the_silence_does_not_make_a_source_quiet(
    clock: Clock, source: SourcePartition
) -> None:
    source.look(40, clock.ms, clock.ms)
    clock.s += 2 * QUIET_S  # the broker has not been asked since: more may have come

    assert source.progress(clock.ms).idle_at_ms is None


def test_a_source_whose_end_is_still_where_it_was_after_the_silence_is_quiet(
    clock: Clock, source: SourcePartition
) -> None:
    clock.s += QUIET_S + 5
    source.look(40, clock.ms - 2_000, clock.ms)

    progress = source.progress(clock.ms)

    assert (progress.idle_at_ms, progress.quiet_ms) == (clock.ms - 2_000, 1_000 * (QUIET_S + 3))


def test_an_end_behind_what_was_published_does_not_make_a_source_quiet(
    clock: Clock, source: SourcePartition
) -> None:
    clock.s += QUIET_S + 5
    source.look(41, clock.ms, clock.ms)

    assert source.progress(clock.ms).idle_at_ms is None
