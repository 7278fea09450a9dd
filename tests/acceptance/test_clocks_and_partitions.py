"""No producer's clock moves everybody's time, and partitions that are added are counted."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import topics
from tests.acceptance.clock_scene import DAY_MS, MINUTE_MS, Eventually, Live, Scene, Traffic, now_ms
from tests.integration.command_line import Cli

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


@pytest.fixture
def scene(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []

    def made(name: str, *about: int) -> Scene:
        scenes.append(Scene(kafka, f"{prefix}{name}.", tmp_path / name, *about))
        return scenes[-1]

    yield made
    for one in scenes:
        one.running.close()
        for number in range(len(one.running.processes)):
            print(one.prefix, number, one.running.log(number)[-3000:])


FIRES = ("errors", '*{platform="ill"}')
AHEAD = "operation parse of platform fast-clock"


@pytest.fixture
def ahead(scene: Callable[..., Scene], eventually: Eventually) -> Iterator[list[Traffic]]:
    """Return traffic with clocks that are 55 minutes and a day ahead, while an alert is open."""
    found = [
        Traffic(scene(f"ahead-{each}", 2, 10 * DAY_MS), each * MINUTE_MS) for each in (55, 1440)
    ]
    begin_ms = now_ms()
    for one in (traffic.scene for traffic in found):
        one.start()
        for ago_s in range(180, 0, -5):
            for partition in range(one.partitions):
                one.send("well", begin_ms - ago_s * 1000, partition)
                one.send("ill", begin_ms - ago_s * 1000, partition, success=False)
        one.flush()
    for traffic in found:
        traffic.start()
    for traffic in found:
        eventually(lambda one=traffic.scene: (*FIRES, "opened") in one.breaches())
        traffic.is_fast = True
    yield found
    for traffic in found:
        traffic.end()


def test_a_clock_that_is_ahead_moves_nobodys_time(
    ahead: list[Traffic], eventually: Eventually
) -> None:
    scenes = [traffic.scene for traffic in ahead]
    named = r"opwatch_operations_ahead_total\{.*fast-clock.*\} [1-9]"
    for one in scenes:
        eventually(lambda one=one: AHEAD in one.get("/readyz")[1])
        assert one.get("/readyz")[0] == 200
        assert re.search(named, one.get("/metrics")[1])
        one.kill()
    for one in scenes:
        eventually(lambda one=one: one.running.is_ready(one.number))
    ends_ms = -(-now_ms() // MINUTE_MS) * MINUTE_MS
    time.sleep(max(0.0, ends_ms / 1000 - time.time()))
    for one in scenes:
        for series in ("*", '*{platform="well"}'):
            eventually(lambda one=one, s=series: ends_ms - MINUTE_MS in one.finals(s))
    for traffic in ahead:
        traffic.end()
        one = traffic.scene
        eventually(one.is_counted)
        assert AHEAD in one.get("/readyz")[1]
        finals = one.finals("*")
        assert max(finals) < now_ms()
        assert all(at_ms >= start_ms + MINUTE_MS for start_ms, (at_ms, _) in finals.items())
        said = one.breaches()
        assert {(rule, series) for rule, series, _ in said} == {FIRES}
        assert "resolved" not in {state for _, _, state in said}
        assert one.dead() == {}


def test_partitions_that_are_added_are_counted_and_nothing_is_final_before(
    scene: Callable[..., Scene], eventually: Eventually, tmp_path: Path
) -> None:
    one = scene("added", 3)
    one.start()
    # Half an hour of the log, as fast as it is written: a false final is not waited for.
    minute_ms = (now_ms() // MINUTE_MS - 30) * MINUTE_MS

    def send(partitions: range, *minutes: int) -> None:
        for minute in minutes:
            for partition in partitions:
                for second in range(0, 60, 20):
                    one.send("lever", minute_ms + minute * MINUTE_MS + second * 1000, partition)
        one.flush()

    send(range(3), *range(5))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 4)
    topics.grow(one.admin, one.topic, 6)
    eventually(lambda: 'opwatch_unheard_sources{partition="0"} 3.0' in one.get("/metrics")[1])
    one.see_more_partitions()
    send(range(3), *range(5, 12))
    eventually(one.is_counted)
    time.sleep(3)
    assert len(one.finals("*")) == 4
    send(range(3, 6), *range(4, 9))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 8)
    assert one.get("/readyz") == (200, "ok\n")

    one.kill()
    send(range(3), *range(12, 15))
    send(range(3, 6), *range(9, 15))
    eventually(one.is_counted)
    eventually(lambda: len(one.finals("*")) == 14)
    time.sleep(2)
    assert one.is_counted()
    # What each minute counted when it became final: all of it, at once.
    finals = [count for _, (_, count) in sorted(one.finals("*").items())]
    assert finals == [9] * 4 + [18] * 10
    assert one.dead() == {}
    assert one.running.ended() == [0]
    cli = Cli(one.kafka, tmp_path)
    answer = cli("topics", "check", OPWATCH_TOPIC_PREFIX=one.prefix)
    assert answer.returncode == 0, answer.stderr
    assert not re.search(r"has \d+ partition", answer.stderr)


def test_history_on_one_partition_beside_live_on_another_counts(
    scene: Callable[..., Scene], eventually: Eventually
) -> None:
    one = scene("history", 2)
    begin_ms = (now_ms() // MINUTE_MS) * MINUTE_MS - 5 * DAY_MS
    for minute in range(600):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    traffic = Live(one, 1)
    traffic.start()
    one.start()
    series = '*{platform="history"}'
    eventually(lambda: one.counted()[series] == 600)
    for minute in range(600, 1200):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    eventually(lambda: one.counted()[series] == 1200)
    eventually(lambda: len(one.finals(series)) >= 1198)
    one.kill()
    for minute in range(1200, 1300):
        one.send("history", begin_ms + minute * MINUTE_MS, 0)
    one.flush()
    eventually(lambda: len(one.finals(series)) >= 1298)
    traffic.end()
    eventually(one.is_counted)
    assert {count for _, count in one.finals(series).values()} == {1}
    assert max(one.finals("*")) < begin_ms + DAY_MS
    assert one.dead() == {}
