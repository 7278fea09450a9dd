"""A decorated function is measured each time that it is called, to its end."""

import asyncio
import functools

import pytest

import opwatch_client as opwatch
from tests.unit.client.fakes import FakeKafka


def test_decorated_function_is_measured_each_call_and_keeps_its_face(kafka: FakeKafka):
    @opwatch.operation("double", platform="x")
    def double(value: int, *, times: int = 2) -> int:
        """Say twice."""
        return value * times

    assert [double(2), double(3, times=3)] == [4, 9]
    assert (double.__name__, double.__doc__) == ("double", "Say twice.")
    assert opwatch.flush(5)
    assert [o["operation"] for o in kafka.operations] == ["double", "double"]


async def test_decorated_coroutine_function_is_measured_to_its_end(kafka: FakeKafka):
    @opwatch.operation("slow")
    async def slow() -> str:
        await asyncio.sleep(0.02)
        return "done"

    assert asyncio.iscoroutinefunction(slow)
    assert await slow() == "done"
    assert await opwatch.aflush()
    assert kafka.operations[0]["duration_ms"] >= 19


async def test_decorated_calls_at_the_same_time_do_not_mix(kafka: FakeKafka):
    @opwatch.operation("job")
    async def job(fails: bool) -> None:
        await asyncio.sleep(0.001)
        if fails:
            raise LookupError

    await asyncio.gather(*(job(n % 2 == 0) for n in range(10)), return_exceptions=True)

    assert await opwatch.aflush()
    assert sorted(o["success"] for o in kafka.operations) == [False] * 5 + [True] * 5


def test_decorator_takes_methods_partials_and_cached_functions(kafka: FakeKafka):
    class Parser:
        @opwatch.operation("method")
        def parse(self) -> str:
            return "m"

        @staticmethod
        @opwatch.operation("static")
        def static() -> str:
            return "s"

    measured = opwatch.operation("partial")(functools.partial(int, base=2))
    cached = opwatch.operation("cached")(functools.lru_cache(len))

    assert (Parser().parse(), Parser.static(), measured("11"), cached("abc")) == ("m", "s", 3, 3)
    assert opwatch.flush(5)
    assert [o["operation"] for o in kafka.operations] == ["method", "static", "partial", "cached"]


def generator():
    yield 1


async def async_generator():
    yield 1


class CallableGenerator:
    def __call__(self):
        yield 1


@pytest.mark.parametrize(
    "wrong",
    [generator, async_generator, functools.partial(generator), CallableGenerator(), int,
     staticmethod(len), classmethod(len), 7, None],
)  # fmt: skip
def test_decorator_refuses_what_has_no_end_to_measure(wrong: object):
    with pytest.raises(TypeError, match="@operation"):
        opwatch.operation("a")(wrong)
