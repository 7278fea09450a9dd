"""The buffer is bounded, and nobody waits longer than they said."""

import os
import signal
import threading
import time

import pytest

import opwatch_client as opwatch
from opwatch_client import current, logs, worker
from opwatch_client.buffer import Buffer
from tests.unit.client.fakes import FakeKafka, publisher
from tests.unit.client.numbered_operations import numbers, one


def test_nothing_runs_before_the_first_operation():
    kafka = FakeKafka()
    ours = publisher(kafka)

    assert ours.flush(1)
    assert ours.close(1)
    assert kafka.connections == 0


def test_full_buffer_drops_the_oldest_and_counts_them():
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka, limit=100)
    for number in range(10_000):
        ours.append(one(number))

    stats = ours.stats()
    assert stats.pending + stats.dropped == 10_000
    assert stats.pending <= 100 + worker.ARRAY_LENGTH
    kafka.come_back()
    assert ours.close(5)

    assert numbers(kafka)[-100:] == list(range(9_900, 10_000))
    stats = ours.stats()
    assert stats.published + stats.dropped == 10_000
    assert stats.published == len(kafka.operations)


def test_recording_never_waits_for_a_kafka_that_is_away(kafka: FakeKafka):
    kafka.go_away()

    slowest = 0.0
    began = time.perf_counter()
    for _ in range(20_000):
        before = time.perf_counter()
        with opwatch.operation("a"):
            pass
        slowest = max(slowest, time.perf_counter() - before)

    assert time.perf_counter() - began < 30
    assert slowest < 3  # other threads and programs may hold it up; Kafka may not
    assert opwatch.stats().pending <= 10_000 + worker.ARRAY_LENGTH


def test_flush_gives_up_in_time_and_close_drops_what_is_left():
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka)
    ours.append(one())

    began = time.monotonic()
    assert ours.flush(0.05) is False
    assert ours.close(0.6) is False

    assert time.monotonic() - began < 10
    stats = ours.stats()
    assert (stats.published, stats.dropped, stats.pending) == (0, 1, 0)
    assert kafka.closed == 1


async def test_aflush_gives_up_in_time_and_lets_the_loop_run(kafka: FakeKafka):
    kafka.go_away()
    opwatch.record(operation="a", success=True, duration_ms=1)

    assert await opwatch.aflush(0.05) is False

    kafka.come_back()
    assert await opwatch.aflush(5) is True


def test_flush_waits_only_for_what_was_before():
    kafka = FakeKafka()
    ours = publisher(kafka)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            ours.append(one())

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        assert ours.flush(5)
    finally:
        stop.set()
        thread.join()
    ours.close(5)


def test_it_begins_anew_after_close():
    kafka = FakeKafka()
    ours = publisher(kafka)
    ours.append(one(1))
    assert ours.close(5)
    ours.append(one(2))
    assert ours.close(5)

    assert numbers(kafka) == [1, 2]
    assert (kafka.connections, kafka.closed) == (2, 2)
    assert ours.stats().published == 2


def test_the_end_does_not_wait_for_a_kafka_that_was_never_there():
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka)
    ours.append(one())

    began = time.monotonic()
    ours.end(60)
    ours.append(one())

    assert time.monotonic() - began < 30  # half of what it might wait
    assert ours.stats().dropped == 2


def test_a_host_without_threads_left_loses_operations_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def no_thread(_: object) -> None:
        raise RuntimeError("can't start new thread")

    ours = publisher(FakeKafka(), limit=10)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        for number in range(50):
            ours.append(one(number))

    assert ours.stats().dropped == 40
    assert caplog.text.count("could not start its thread") == 1


def test_outage_is_one_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    now_s = [0.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now_s[0])
    warn = logs.Warnings()

    for second in range(150):
        now_s[0] = float(second)
        warn("away for %d s", second)

    assert [r.getMessage() for r in caplog.records] == [
        "away for 0 s",
        "away for 60 s",
        "away for 120 s",
    ]


def test_failures_are_counted_and_said_once(caplog: pytest.LogCaptureFixture):
    kafka = FakeKafka()
    kafka.go_away()
    ours = publisher(kafka)
    ours.append(one())
    assert ours.flush(0.1) is False
    kafka.come_back()
    assert ours.close(5)

    assert ours.stats().failures > 3
    assert caplog.text.count("opwatch cannot publish (nobody there)") == 1


def test_mistake_of_our_own_costs_a_record_and_not_the_thread(caplog: pytest.LogCaptureFixture):
    kafka = FakeKafka()
    ours = publisher(kafka)
    ours.append({"operation": object()})  # type: ignore[dict-item]
    ours.flush(5)
    ours.append(one(7))
    assert ours.close(5)

    assert numbers(kafka) == [7]
    assert ours.stats().dropped == 1
    assert "internal error" in caplog.text


def test_signal_handler_may_record_while_its_thread_records(kafka: FakeKafka):
    def handler(*_: object) -> None:
        opwatch.record(operation="signal", success=True, duration_ms=1)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        current.publisher()._buffer.limit = 50  # the drop path, where a lock is taken
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            opwatch.record(operation="main", success=True, duration_ms=1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert opwatch.flush(5)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_forked_child_begins_with_an_empty_buffer_and_the_parent_keeps_its_own(
    kafka: FakeKafka, *, is_noticed: bool
):
    """As uWSGI forks, in C, so that Python calls no hook: all is as it was in the parent."""
    before = {name: getattr(current, name) for name in ("_publisher", "_process")}
    kafka.go_away()
    opwatch.record(operation="parent", success=True, duration_ms=1)
    answer, question = os.pipe()

    child = os.fork()
    if child == 0:
        if not is_noticed:
            vars(current).update(before)
        stats = opwatch.stats()
        os.write(question, f"{stats.pending} {stats.dropped}".encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(answer, 100) == b"0 0"
    kafka.come_back()
    assert opwatch.flush(5)
    assert [o["operation"] for o in kafka.operations] == ["parent"]
    os.close(answer)
    os.close(question)


def test_counts_of_a_buffer_always_add_up():
    buffer = Buffer(3)
    for number in range(5):
        buffer.append(one(number))
    for _ in range(2):
        buffer.take()
    buffer.arrived(1)
    buffer.lost(1)

    stats = buffer.stats()

    assert (stats.published, stats.dropped, stats.pending) == (1, 3, 1)
    assert buffer.abandon() == 1
    assert len(buffer) == 0
