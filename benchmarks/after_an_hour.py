"""Measure a restart, and a rebalance, after an hour of live traffic."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise

from confluent_kafka import Producer

from benchmarks import live
from benchmarks.load import MINUTE_MS, Records, create_topic, values_of
from benchmarks.places import Place, bytes_on_kafka, records
from benchmarks.race import Failed
from benchmarks.worker import Worker, started

_A_SECOND, _OPERATIONS, _PLATFORMS = 1_000, 9, 46
_CATCH_UP_S = 300.0
#: Live traffic before a worker is killed, and what a rebalance is watched for.
_LIVE_S, _WATCHED_S = 10.0, 25.0
_WAIT_S = 180.0
#: A source's partials for all targets are sent within this time.
_TOGETHER_MS = 200
#: Where time runs faster, a worker writes its rows as often by the records' time as in production.
_FASTER = (
    "from agents.cli import main; from agents.folding import windows;"
    " windows.WRITE_S /= {0}; windows._WRITE_MANY_S /= {0}; main()"
)


def after_an_hour(place: Place, minutes: int, speed: float) -> dict[str, float]:
    """Publish an hour faster than real time; then measure two restarts and a rebalance.

    Of three partitions a second worker gets one.
    """
    create_topic(place.bootstrap, place.operations, place.partitions)
    faster = [sys.executable, "-c", _FASTER.format(speed)]
    with started(place, command=faster) as worker:
        worker.ready_after()
        total = _publish(place, minutes, speed)
        _until(lambda: worker.counted() >= total, _CATCH_UP_S, "the hour is not counted")
        worker.kill()
    figures = {"hour_minutes": minutes, "hour_faster": speed}
    with live.Traffic(place, _A_SECOND, _OPERATIONS, _PLATFORMS):
        return figures | _restarts(place)


def _restarts(place: Place) -> dict[str, float]:
    """Kill a worker twice and let another join, while live traffic is published."""
    figures: dict[str, float] = {}
    with started(place) as worker:
        worker.ready_after()
        time.sleep(_LIVE_S)
        worker.kill()
        killed = time.monotonic()
    figures["hour_changelog_mb"] = bytes_on_kafka(place)["measure-windows-changelog"] / 1e6
    with started(place) as worker:
        figures["hour_own_s"] = _counting(worker) - killed
        time.sleep(_LIVE_S)
        worker.kill()
        killed = time.monotonic()
    with started(place, OPWATCH_INSTANCE="another-host") as worker:
        figures["hour_other_s"] = _counting(worker) - killed
        time.sleep(_LIVE_S)
        figures["hour_rebalance_s"] = _stopped(place)
    return figures


def _publish(place: Place, minutes: int, speed: float) -> int:
    """Publish operations that end now, each with its event's time; return how many."""
    begun, now_ms = time.monotonic(), int(time.time() * 1000)
    hour = Records(
        events=minutes * 60 * _A_SECOND,
        start_ms=now_ms + int(minutes * MINUTE_MS / speed) - minutes * MINUTE_MS,
        per_minute=60 * _A_SECOND,
        operations=_OPERATIONS,
        platforms=_PLATFORMS,
        closing=False,
    )
    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 5})
    for sent, (platform, when_ms, value) in enumerate(values_of(hour)):
        partition = platform % place.partitions
        producer.produce(place.operations, value, partition=partition, timestamp=when_ms)
        if sent % 500 == 0:
            producer.poll(0)
            time.sleep(max(0.0, begun + sent / (_A_SECOND * speed) - time.monotonic()))
    producer.flush(60)
    return hour.total


def _counting(worker: Worker) -> float:
    """Return when a worker has counted something."""
    _until(lambda: worker.counted() > 0, _WAIT_S, "nothing is counted after the restart")
    return time.monotonic()


def _stopped(place: Place) -> float:
    """Let a second worker join; return for how long the partitions that stay were not counted.

    Each source's partials come every half second: what a gap has more than that is a stop.
    """
    begun_ms = time.time() * 1000
    with started(place, OPWATCH_INSTANCE="second") as second:
        second.ready_after()
        time.sleep(_WATCHED_S)
        ended_ms = time.time() * 1000
    times: dict[bytes, list[int]] = defaultdict(list)
    for message in records(place, "partials"):
        at_ms = message.timestamp()[1]
        if begun_ms <= at_ms <= ended_ms and message.key() != b"progress":
            times[message.key()].append(at_ms)
    stops = sorted(_stop_s(sorted(at)) for at in times.values())
    if len(stops) != place.partitions:
        raise Failed(f"partials of {len(stops)} sources, not of {place.partitions}")
    return stops[-2]  # the longest stop is that of the partition that moved


def _stop_s(times: Sequence[int]) -> float:
    """Return how much longer than usual the longest pause between batches of partials was."""
    pauses = sorted(later - sooner for sooner, later in pairwise(times))
    between = [pause for pause in pauses if pause >= _TOGETHER_MS] or [0]
    return (between[-1] - between[len(between) // 2]) / 1000


def _until(done: Callable[[], bool], seconds: float, why: str) -> None:
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            raise Failed(why)
        time.sleep(0.05)
