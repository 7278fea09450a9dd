"""A heartbeat says how its service is, and neither raises nor waits."""

import asyncio
import time

import pytest

import opwatch_client as opwatch
from schemas.heartbeats import Heartbeat
from tests.unit.client.fakes import FakeKafka


def until(kafka: FakeKafka, count: int) -> list[dict]:
    deadline = time.monotonic() + 60
    while len(kafka.beats) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [said for _, said in kafka.beats]


def test_it_beats_from_its_start_to_its_end_and_says_nothing_then(kafka: FakeKafka):
    with opwatch.heartbeat("crawler", every=0.1):
        until(kafka, 3)
    assert opwatch.close(5)
    count = len(kafka.beats)
    time.sleep(0.3)

    assert len(kafka.beats) == count
    assert {key for key, _ in kafka.beats} == {b"crawler"}
    assert {(said["status"], said["every_s"]) for _, said in kafka.beats} == {("up", 0.1)}


def test_what_it_says_is_what_opwatch_takes(kafka: FakeKafka):
    beat = opwatch.heartbeat("caf\u00e9", every=1)
    beat.degraded("x" * 2_000)
    [said] = until(kafka, 1)

    assert Heartbeat.model_validate(said).status == "degraded"
    assert kafka.beats[0][0] == "caf\u00e9".encode()


def test_a_change_is_said_at_once_and_a_repetition_with_the_next_beat(kafka: FakeKafka):
    with opwatch.heartbeat("crawler", every=60) as beat:
        beat.degraded("the queue is long")
        beat.degraded("the queue is long")
        beat.up()
        beat.down("maintenance")
        said = until(kafka, 4)
    assert opwatch.close(5)

    assert [(one["status"], one.get("message")) for one in said] == [
        ("up", None),
        ("degraded", "the queue is long"),
        ("up", None),
        ("down", "maintenance"),
    ]
    assert len(kafka.beats) == 4


async def test_it_beats_from_the_running_loop(kafka: FakeKafka):
    async with opwatch.heartbeat("crawler", every=0.1) as beat:
        await asyncio.sleep(0.35)
        beat.degraded()
    await asyncio.to_thread(until, kafka, 4)
    task = asyncio.create_task(opwatch.heartbeat("other", every=0.1).run())
    await asyncio.sleep(0.15)
    task.cancel()

    assert {said["status"] for _, said in kafka.beats} >= {"up", "degraded"}
    await asyncio.to_thread(opwatch.close, 5)
    assert {key for key, _ in kafka.beats} == {b"crawler", b"other"}


async def test_a_loop_that_hangs_falls_silent(kafka: FakeKafka):
    async with opwatch.heartbeat("crawler", every=0.1):
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 - that is what is tested
    await asyncio.to_thread(opwatch.close, 5)

    assert len(kafka.beats) == 1


@pytest.mark.parametrize("every", [0, -1, float("nan"), "ten", None, 1e9])
def test_an_interval_that_does_not_fit_is_ten_seconds(kafka: FakeKafka, every: object):
    assert opwatch.heartbeat("crawler", every=every).every_s == 10  # type: ignore[arg-type]
    assert opwatch.stats().bad_values == 1


def test_while_kafka_is_away_the_newest_wait_and_nobody_else_does(kafka: FakeKafka):
    kafka.go_away()
    beat = opwatch.heartbeat("crawler")
    began = time.monotonic()
    for _ in range(1_000):
        beat.beat()
    assert time.monotonic() - began < 10
    kafka.come_back()

    assert opwatch.close(5)
    assert 360 <= len(kafka.beats) <= 361


def test_a_body_that_raises_is_not_said_to_be_down(kafka: FakeKafka):
    with pytest.raises(ZeroDivisionError), opwatch.heartbeat("crawler"):
        1 / 0  # noqa: B018
    assert opwatch.close(5)

    assert [said["status"] for _, said in kafka.beats] == ["up"]


def test_operations_do_not_wait_for_beats_that_nobody_takes(kafka: FakeKafka):
    kafka.takes_beats = False  # the topic does not exist
    with opwatch.heartbeat("crawler"):
        opwatch.record(operation="a", success=True, duration_ms=1)
        assert opwatch.flush(5)
    began = time.monotonic()
    opwatch.close(60)

    assert len(kafka.operations) == 1
    assert kafka.beats == []
    assert time.monotonic() - began < 30  # half of what it might wait
