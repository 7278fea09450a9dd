"""A record that ends a process is found in a child, and only such a record."""

import os
import signal
import time
from collections.abc import Iterator, Sequence

import pytest

from agents.kafka import poison
from agents.kafka.poison import attempt, is_poison


def burn() -> None:
    while True:
        pass


def fill() -> None:
    bytearray(2 * poison.MEMORY_BYTES)


DEADLY = {
    "raises": (lambda: 1 / 0, "ZeroDivisionError"),
    "exits": (lambda: exit(3), "SystemExit"),
    "is killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed"),
    "crashes": (lambda: os.kill(os.getpid(), signal.SIGSEGV), "crashed"),
    "burns": (burn, "processor"),
    "fills": (fill, "MemoryError"),
}


def rehearse(records: Sequence[str]) -> Iterator[None]:
    total = []
    for record in records:
        total.append(record)
        if record in DEADLY:
            DEADLY[record][0]()
        yield
    if "late" in total:
        raise RuntimeError("what they came to")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poison, "CPU_S", 1)


@pytest.mark.parametrize("name", DEADLY)
async def test_a_deadly_record_is_found(name: str) -> None:
    ended = await attempt(rehearse, ["a", "b", name, "c"])
    assert ended.survived == 2
    assert DEADLY[name][1] in (ended.why or "")
    assert DEADLY[name][1] in (await is_poison(rehearse, name) or "")


async def test_a_good_record_is_none() -> None:
    assert await attempt(rehearse, ["a", "b"]) == (2, None)
    assert await is_poison(rehearse, "a") is None


async def test_what_records_come_to_is_found_after_the_last() -> None:
    survived, why = await attempt(rehearse, ["a", "late"])
    assert survived == 2
    assert "what they came to" in (why or "")


async def test_a_child_that_somebody_else_ends_says_nothing_of_the_record() -> None:
    def ended(_: Sequence[str]) -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert await is_poison(ended, "a") is None


async def test_a_child_that_only_waits_says_nothing_of_the_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(poison, "_CLOCK_S", 0.3)

    def waits(_: Sequence[str]) -> Iterator[None]:
        time.sleep(20)
        yield

    assert await is_poison(waits, "a") is None


async def test_what_a_child_does_stays_with_it() -> None:
    done = []

    def does(records: Sequence[str]) -> Iterator[None]:
        for record in records:
            done.append(record)
            yield

    await attempt(does, ["a"])
    assert done == []
