"""The watchdog ends a process in which nothing moves, and lets one be that is only slow."""

import pytest

from agents.runtime import watchdog
from agents.runtime.watchdog import EXIT_STUCK, Watchdog

STUCK_S = 60.0


class Ended(Exception):
    """Stands in for the process's end."""


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def exited(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(watchdog.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(watchdog.os, "_exit", exited)
    return clock


@pytest.fixture
def dog(clock: Clock) -> Watchdog:
    return Watchdog(10.0, STUCK_S)


def pass_time(clock: Clock, dog: Watchdog, seconds: int, **work: int | range) -> None:
    """Show the work each second; a range moves with the seconds."""
    for second in range(seconds):
        clock.now_s += 1
        dog.waits({k: at[second] if isinstance(at, range) else at for k, at in work.items()})


def test_work_that_waits_while_nothing_moves_ends_the_process(clock: Clock, dog: Watchdog):
    pass_time(clock, dog, 60, a=1, b=7)
    with pytest.raises(Ended, match=str(EXIT_STUCK)):
        pass_time(clock, dog, 3, a=1, b=7)


def test_work_that_waits_while_other_work_moves_has_longer(clock: Clock, dog: Watchdog):
    pass_time(clock, dog, 290, a=1, b=range(290))
    with pytest.raises(Ended, match=str(EXIT_STUCK)):
        pass_time(clock, dog, 20, a=1, b=range(300, 320))


def test_work_that_moves_or_is_done_never_ends_the_process(clock: Clock, dog: Watchdog):
    pass_time(clock, dog, 1000, a=range(1000))
    pass_time(clock, dog, 1000)
    pass_time(clock, dog, 59, a=5)


def test_a_process_that_stood_still_ends_before_it_does_anything(clock: Clock, dog: Watchdog):
    dog.turned()
    clock.now_s += 9
    dog.turned()
    clock.now_s += 11
    with pytest.raises(Ended, match=str(watchdog.EXIT_STALLED)):
        dog.turned()


def test_it_says_what_waits_long_before_it_ends_the_process(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("agents.runtime.watchdog.time.monotonic", lambda: now[0])
    watchdog = Watchdog(10.0, 60.0)
    watchdog.waits({"partials/3": 7, "partials/4": 1})
    assert watchdog.stuck(15.0) is None
    now[0] += 20
    watchdog.waits({"partials/3": 7, "partials/4": 1})
    assert watchdog.stuck(15.0) == "partials/3"
    watchdog.waits({"partials/3": 7, "partials/4": 2})
    assert watchdog.stuck(15.0) is None
    watchdog.waits({})
    now[0] += 60
    assert watchdog.stuck(15.0) is None
