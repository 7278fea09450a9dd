"""Each line is published when it is due, acknowledged, or left out with the reason."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from agents.kafka.reader import UnusableTopic
from agents.replay import playback
from agents.replay.batch_publisher import BatchPublisher
from agents.replay.recorded_lines import InvalidLine, RecordedOperations, TimeSpan
from streams.measure.operation_reader import times_of
from tests.unit.replay.samples import GOOD, WHEN_MS, read


class Batch:
    def __init__(self) -> None:
        self.records: list[tuple[int, bytes]] = []

    def append(self, *, timestamp: int, key: None, value: bytes) -> object | None:
        if len(self.records) >= 3:
            return None
        self.records.append((timestamp, value))
        return self

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """Answers as a broker does, each batch a little later."""

    def __init__(self, *, appends_times: bool = False, fails_at: int = -1) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self._metadata = SimpleNamespace(timestamp_type=int(appends_times))
        self._fails_at = fails_at
        self._batches = 0

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        self._batches += 1
        number = self._batches

        async def answer() -> Any:
            await asyncio.sleep(0.001 * (number % 3))
            if number == self._fails_at:
                raise ConnectionError("the broker is gone")
            self.sent += batch.records
            return self._metadata

        return asyncio.ensure_future(answer())


async def lines_of(*lines: Any) -> AsyncIterator[Any]:
    for line in lines:
        yield line
        await asyncio.sleep(0)


def recorded(number: int, when_ms: int = WHEN_MS) -> RecordedOperations:
    return RecordedOperations(when_ms, json.dumps(GOOD).encode(), number)


def played(
    producer: Producer, plan: playback.ReplayPlan, *lines: Any, lateness_ms: int = 3_600_000
) -> tuple[playback.ReplayCounts, list[InvalidLine], BaseException | None]:
    counts, told = playback.ReplayCounts(), []
    failure: BaseException | None = None

    async def play() -> None:
        nonlocal failure
        out = BatchPublisher(cast("AIOKafkaProducer", producer), "t", 2)
        out.check_times = lambda: playback.must_not_be_late("t", plan, lateness_ms)
        bounds = playback.TimeBounds(lateness_ms, 3_600_000)
        player = playback.Player(plan, out, counts, told.append, lambda _: None, bounds)
        try:
            await player.play(lines_of(*lines))
        except (ConnectionError, UnusableTopic) as error:
            failure = error
        counts.published = out.acknowledged

    asyncio.run(play())
    return counts, told, failure


AS_RECORDED = playback.ReplayPlan(math.inf, as_recorded=True, span=TimeSpan(0, WHEN_MS))


def test_what_is_read_is_published_or_left_out():
    lines = [recorded(n) if n % 4 else InvalidLine(n, "bad") for n in range(1, 42)]
    producer = Producer()
    counts, told, failure = played(producer, AS_RECORDED, *lines)
    assert failure is None
    assert (counts.lines, counts.published, counts.invalid, counts.unknown) == (41, 31, 10, 0)
    assert len(producer.sent) == 31
    assert [line.number for line in told] == list(range(4, 42, 4))


@pytest.mark.parametrize("fails_at", [1, 2, 5])
def test_what_kafka_did_not_acknowledge_is_in_the_sum(fails_at: int):
    producer = Producer(fails_at=fails_at)
    counts, _, failure = played(producer, AS_RECORDED, *(recorded(n) for n in range(200)))
    assert isinstance(failure, ConnectionError)
    assert counts.unknown > 0
    assert counts.lines == counts.published + counts.invalid + counts.unknown


@pytest.mark.parametrize("last_ms", [250_000_000_000_000, 1_750_000_000_000])
def test_a_line_that_cannot_be_moved_is_a_bad_line(last_ms: int):
    """It would be before 1970, or before 1973, where milliseconds would be read as seconds."""
    span = TimeSpan(0, last_ms)
    plan = playback.ReplayPlan(math.inf, as_recorded=False, span=span)
    lines = [recorded(1, 0), recorded(2, span.last_ms), RecordedOperations(5, b"{]", 3)]
    counts, told, _ = played(Producer(), plan, *lines)
    assert (counts.lines, counts.published, counts.invalid) == (3, 1, 2)
    assert [line.number for line in told] == [1, 3]
    assert "cannot be moved" in told[0].why


def test_a_time_that_kafka_would_refuse_is_a_bad_line():
    lines = [recorded(1), recorded(2, 253_402_300_799_000), recorded(3)]
    counts, told, _ = played(Producer(), AS_RECORDED, *lines)
    assert (counts.published, [line.number for line in told]) == (2, [2])


def test_a_turn_that_would_not_come_for_years_holds_nothing_up():
    plan = playback.ReplayPlan(1, as_recorded=False, span=None)
    lines = [recorded(1), recorded(2, WHEN_MS + 10**12), recorded(3)]
    counts, told, _ = played(Producer(), plan, *lines)
    assert (counts.published, [line.number for line in told]) == (2, [2])


def test_elements_that_lie_too_far_apart_are_records_of_their_own():
    elements = [GOOD | {"id": str(i), "occurred_at": WHEN_MS + i * 1_800_000} for i in range(4)]
    (line,) = read(json.dumps(elements).encode(), "jsonl")[0]
    producer = Producer()
    counts, _, _ = played(producer, AS_RECORDED, line)
    assert (counts.lines, counts.published) == (1, 1)
    assert producer.sent == [
        (element["occurred_at"], json.dumps(element, separators=(",", ":")).encode())
        for element in elements
    ]
    together = Producer()
    played(together, AS_RECORDED, line, lateness_ms=10**9)
    assert len(together.sent) == 1


def test_the_elements_of_an_old_array_are_read_with_the_times_of_their_records():
    elements = [GOOD | {"id": str(i), "occurred_at": 1_000 + i * 7_200} for i in range(3)]
    (line,) = read(json.dumps(elements).encode(), "jsonl")[0]
    producer = Producer()
    played(producer, AS_RECORDED, line)
    assert [times_of(value) for _, value in producer.sent] == [[ms] for ms, _ in producer.sent]


def test_lines_long_before_those_above_them_are_counted():
    lines = [recorded(1), recorded(2, WHEN_MS - 3_600_001), recorded(3, WHEN_MS - 3_600_000)]
    counts, _, _ = played(Producer(), AS_RECORDED, *lines)
    assert (counts.published, counts.behind) == (3, 1)


@pytest.mark.parametrize(
    ("plan", "stops"),
    [
        (AS_RECORDED, True),
        (playback.ReplayPlan(math.inf, as_recorded=False, span=TimeSpan(0, 3_600_001)), True),
        (playback.ReplayPlan(2, as_recorded=False, span=TimeSpan(0, 7_200_001)), True),
        (playback.ReplayPlan(2, as_recorded=False, span=TimeSpan(0, 7_200_000)), False),
        (playback.ReplayPlan(1, as_recorded=False, span=TimeSpan(0, 10**12)), False),
        (playback.ReplayPlan(1, as_recorded=False, span=None), False),
    ],
)
def test_a_topic_that_replaces_times_takes_only_what_happens_now(
    plan: playback.ReplayPlan, *, stops: bool
):
    """Also where its configuration may not be read: the first answer tells."""
    first = plan.span.first_ms if plan.span else WHEN_MS
    producer = Producer(appends_times=True)
    counts, _, failure = played(producer, plan, *(recorded(n, first) for n in range(3)))
    assert isinstance(failure, UnusableTopic) is stops
    assert len(producer.sent) == 3  # no more than the first batch
    assert counts.lines == 3
