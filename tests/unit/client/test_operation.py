"""One operation is measured whatever surrounds it, and its exception reaches the host."""

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

import opwatch_client as opwatch
from tests.unit.client.fakes import FakeKafka


def only(kafka: FakeKafka) -> dict:
    assert opwatch.flush(5)
    (operation,) = kafka.operations
    return operation


def test_success_carries_name_platform_service_and_a_positive_duration(kafka: FakeKafka):
    with opwatch.operation("parse_job_data", platform="lever"):
        sum(range(1000))

    operation = only(kafka)

    assert operation["operation"] == "parse_job_data"
    assert operation["platform"] == "lever"
    assert operation["service"] == "unit"
    assert operation["success"] is True
    assert 0 < operation["duration_ms"] < 1000
    assert len(operation["id"]) == 32
    assert "error_type" not in operation


def test_body_sets_confidence_cache_and_trace(kafka: FakeKafka):
    with opwatch.operation("a") as op:
        op.confidence = 0.8
        op.cache_hit(ttl_s=60)
        op.trace_id = "7f3a"

    operation = only(kafka)

    assert operation["platform"] == "generic"
    assert operation["confidence"] == 0.8
    assert operation["cache"] == "hit"
    assert operation["cache_ttl_s"] == 60
    assert operation["trace_id"] == "7f3a"


def test_cache_miss_tells_evictions_and_the_attribute_alone_is_enough(kafka: FakeKafka):
    with opwatch.operation("a") as op:
        op.cache_miss(evictions=3)
    with opwatch.operation("b") as op:
        op.cache = "miss"

    assert opwatch.flush(5)

    first, second = kafka.operations
    assert (first["cache"], first["cache_evictions"]) == ("miss", 3)
    assert (second["cache"], "cache_evictions" in second) == ("miss", False)


def test_exception_is_the_same_outside_and_its_type_and_message_are_recorded(kafka: FakeKafka):
    mine = TimeoutError("x" * 600)

    with pytest.raises(TimeoutError) as caught, opwatch.operation("a"):
        raise mine

    assert caught.value is mine
    operation = only(kafka)
    assert operation["success"] is False
    assert operation["error_type"] == "TimeoutError"
    assert operation["error_message"] == "x" * 500


@pytest.mark.parametrize(
    ("raised", "error_type"),
    [
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(1), "SystemExit"),
        (SystemExit("no disk"), "SystemExit"),
        (SystemExit(), None),
        (SystemExit(0), None),
        (GeneratorExit(), None),
        (KeyError("x"), None),
        (LookupError("x"), "LookupError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
@pytest.mark.parametrize("way", ["with", "decorated", "async with"])
def test_what_is_no_failure_is_not_counted_as_one_and_goes_on(
    kafka: FakeKafka, raised: BaseException, error_type: str | None, way: str
):
    operation = opwatch.operation("a", ignore=(KeyError,))

    def fail() -> None:
        raise raised

    async def fail_async() -> None:
        async with operation:
            raise raised

    with pytest.raises(type(raised)):  # noqa: PT012 - three ways to raise the same
        if way == "async with":
            fail_async().send(None)
        elif way == "decorated":
            operation(fail)()
        else:
            with operation:
                fail()

    found = only(kafka)
    assert (found["success"], found.get("error_type")) == (error_type is None, error_type)


def test_a_generator_that_nobody_finishes_is_no_failure(kafka: FakeKafka):
    def pieces() -> Iterator[int]:
        with opwatch.operation("a"):
            yield 1
            yield 2

    for _ in pieces():
        break
    assert only(kafka)["success"] is True


def test_the_host_says_what_it_is(kafka: FakeKafka):
    with contextlib.suppress(ValueError), opwatch.operation("succeeds") as op:
        op.fail("TruncatedPage")
        op.succeed()
        raise ValueError
    with opwatch.operation("fails") as op:
        op.succeed()
        op.fail("TruncatedPage")
    with contextlib.suppress(ValueError), opwatch.operation("discarded") as op:
        op.discard()
        raise ValueError
    with op:  # the same object measures the next one
        pass
    assert opwatch.flush(5)
    assert [(it["operation"], it["success"]) for it in kafka.operations] == [
        ("succeeds", True),
        ("fails", False),
        ("discarded", True),
    ]
    assert opwatch.stats().discarded == 1


@pytest.mark.parametrize("ignore", ["KeyError", (KeyError, 1), (int,)])
def test_ignoring_what_is_no_exception_is_a_programming_mistake(ignore: object):
    with pytest.raises(TypeError, match="ignore"):
        opwatch.operation("a", ignore=ignore)


def test_fail_makes_a_failure_without_an_exception(kafka: FakeKafka):
    with opwatch.operation("a") as op:
        op.fail("TruncatedPage", "no </html>")

    operation = only(kafka)
    assert operation["success"] is False
    assert (operation["error_type"], operation["error_message"]) == ("TruncatedPage", "no </html>")


def test_the_hosts_word_stands_when_an_exception_follows(kafka: FakeKafka):
    with contextlib.suppress(ValueError), opwatch.operation("a") as op:
        op.fail("TruncatedPage")
        raise ValueError("later")

    operation = only(kafka)
    assert operation["error_type"] == "TruncatedPage"
    assert "error_message" not in operation


def test_exception_that_cannot_be_said_is_still_recorded(kafka: FakeKafka):
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(Mute), opwatch.operation("a"):
        raise Mute

    operation = only(kafka)
    assert operation["error_type"] == "Mute"
    assert opwatch.stats().bad_values == 1


def test_neither_object_nor_buffer_keeps_an_exception_alive(kafka: FakeKafka):
    kafka.go_away()
    op = opwatch.operation("a")

    class Watched(Exception):
        pass

    def work() -> "weakref.ref[Exception]":
        error = Watched("x")
        with contextlib.suppress(Watched), op:
            raise error
        return weakref.ref(error)

    gone = work()
    gc.collect()

    assert gone() is None


def test_nested_operations_are_two(kafka: FakeKafka):
    with contextlib.suppress(ValueError), opwatch.operation("outer"):
        with opwatch.operation("inner"):
            pass
        raise ValueError

    assert opwatch.flush(5)
    inner, outer = kafka.operations
    assert (inner["operation"], inner["success"]) == ("inner", True)
    assert (outer["operation"], outer["success"]) == ("outer", False)
    assert outer["duration_ms"] >= inner["duration_ms"]


def test_object_used_again_remembers_nothing_of_the_last_time(kafka: FakeKafka):
    op = opwatch.operation("a", trace_id="t")
    with contextlib.suppress(ValueError), op:
        op.confidence = 0.1
        op.cache_miss(evictions=1)
        raise ValueError
    with op:
        pass

    assert opwatch.flush(5)
    second = kafka.operations[1]
    assert second["success"] is True
    assert second["trace_id"] == "t"
    assert not {"confidence", "cache", "cache_evictions", "error_type"} & set(second)


def test_mistyped_attribute_does_not_raise(kafka: FakeKafka):
    with opwatch.operation("a") as op:
        op.confidense = 1

    assert only(kafka)["success"] is True


def test_eight_threads_lose_nothing(kafka: FakeKafka):
    def work(name: str) -> None:
        for _ in range(500):
            with opwatch.operation(name):
                pass

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert opwatch.flush(5)
    names = [o["operation"] for o in kafka.operations]
    assert {name: names.count(name) for name in names} == {f"t{n}": 500 for n in range(8)}
    assert len({o["id"] for o in kafka.operations}) == 4000
    assert threading.get_ident() not in kafka.threads
    assert len(kafka.threads) == 1


def test_two_event_loops_after_each_other_share_one_thread(kafka: FakeKafka):
    async def work() -> None:
        async with opwatch.operation("a"):
            await asyncio.sleep(0)
        assert await opwatch.aflush()

    asyncio.run(work())
    asyncio.run(work())

    assert len(kafka.operations) == 2
    assert kafka.connections == 1
