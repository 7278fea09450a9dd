"""Measure the quality role: speed, delay, what counting suffers beside it, memory, bad assessors.

python -m stack run -- python -m benchmarks.quality_load

Each goal is printed beside its figure. It exits with 1 where one is missed.
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks import race
from benchmarks.breach_latency import Traffic
from benchmarks.environment import say
from benchmarks.places import Place
from benchmarks.quality_hostile import hostile
from benchmarks.quality_traffic import Scored, Sender, at, scoring, until
from benchmarks.worker import Worker, started

RATE = 2_000
MEDIAN_MS, P99_MS = 20.0, 200.0
#: The budget plus 50 ms: whatever an assessor does.
WORST_MS = 550.0
#: What a straight line through the last half may rise by.
GROWTH_MB = 20.0
#: How much farther behind counting may be, in the median, while analyses are scored.
DISTURBED_MS = 100.0
BESIDE = 5_000
_WARM_S = 10.0
_AHEAD = 4_000
_SAMPLED_S = 0.25


class Goal(NamedTuple):
    """A figure beside what it is to be."""

    name: str
    figure: float
    unit: str
    sign: str
    bound: float

    @property
    def is_met(self) -> bool:
        return self.figure >= self.bound if self.sign == "≥" else self.figure < self.bound

    def __str__(self) -> str:
        verdict = "met   " if self.is_met else "MISSED"
        figure, bound = f"{self.figure:,.1f} {self.unit}", f"{self.sign} {self.bound:,.0f}"
        return f"{verdict} {self.name}: {figure} (goal {bound} {self.unit})"


class Load(NamedTuple):
    """What came of analyses that were published at a rate, or as fast as they were scored."""

    a_second: float
    cpu_ms: float
    """Of the worker and its children, an analysis."""
    median_ms: float
    p99_ms: float
    worst_ms: float
    rss_mb: list[float]


def load(place: Place, worker: Worker, rate: float, seconds: float) -> Load:
    """Publish at a rate, after a while of the same to warm up; return what came of it."""
    warm, measured = int(rate * _WARM_S), int(rate * seconds)
    sender, scored = Sender(place, warm + measured), Scored(place, warm + measured)
    scored.start()
    sender.at_rate(0, warm, rate)
    process = psutil.Process(worker.pid)
    before, first, begun = race.sample(process, 0), scored.count, time.time()
    sender.at_rate(warm, measured, rate)
    after, last, ended = race.sample(process, 0), scored.count, time.time()
    until(lambda: scored.count == warm + measured, lambda: scored.count)
    scored.end()
    took_ms = (scored.came_s - sender.sent_s)[warm:] * 1000
    return Load(
        (last - first) / (ended - begun),
        (after.cpu_s - before.cpu_s) * 1000 / max(1, last - first),
        float(np.median(took_ms)),
        float(np.percentile(took_ms, 99)),
        float(took_ms.max()),
        [after.rss_mb],
    )


def most(place: Place, worker: Worker, count: int) -> Load:
    """Publish as fast as the worker scores, with a few seconds' work always waiting."""
    sender, scored = Sender(place, count), Scored(place, count)
    scored.start()
    process = psutil.Process(worker.pid)
    rss_mb: list[float] = []
    looked = 0.0
    before, begun = race.sample(process, 0), time.time()
    first = 0
    for number in range(count):
        while number - scored.count > _AHEAD:
            time.sleep(0.01)
        sender.send(number)
        if time.monotonic() - looked > 1.0:
            looked = time.monotonic()
            rss_mb.append(race.sample(process, 0).rss_mb)
            if len(rss_mb) % 30 == 0:
                say(f"  {scored.count:,} of {count:,} scored, {rss_mb[-1]:,.0f} MB")
        if not first and number == count // 10:  # it is warm
            before, begun, first = race.sample(process, 0), time.time(), scored.count
    until(lambda: scored.count == count, lambda: scored.count)
    after, ended = race.sample(process, 0), time.time()
    scored.end()
    cpu_ms = (after.cpu_s - before.cpu_s) * 1000 / (count - first)
    return Load((count - first) / (ended - begun), cpu_ms, 0, 0, 0, rss_mb)


def behind_ms(traffic: Traffic, worker: Worker, seconds: float, a_second: int) -> list[float]:
    """Return by how many milliseconds of operations counting is behind, several times a second."""
    found = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        counted = worker.counted()
        found.append((traffic.sent - counted) / a_second * 1000)
        time.sleep(_SAMPLED_S)
    return found


def beside(bootstrap: str, rate: float, seconds: float) -> Iterator[Goal]:
    """Yield how much further behind counting is while analyses are scored beside it."""
    place = at(bootstrap)
    with started(place) as measure:
        until(measure.is_ready, lambda: int(time.monotonic()))
        with Traffic(place, BESIDE) as traffic:
            time.sleep(_WARM_S)
            alone = behind_ms(traffic, measure, seconds, BESIDE)
            with scoring(place):
                sender = Sender(place, int(rate * (seconds + _WARM_S)))
                every = (0, len(sender.sent_s), rate)
                sending = threading.Thread(target=sender.at_rate, args=every)
                sending.start()
                time.sleep(_WARM_S)
                disturbed = behind_ms(traffic, measure, seconds, BESIDE)
                sending.join()
    for name, found in (("alone", alone), ("beside", disturbed)):
        worst = max(found)
        say(f"counting {name}: behind {statistics.median(found):.0f} ms, {worst:.0f} ms at worst")
    more = statistics.median(disturbed) - statistics.median(alone)
    yield Goal(f"counting beside {rate:,.0f} analyses/s, later by", more, "ms", "<", DISTURBED_MS)


def speed(bootstrap: str, rate: float, seconds: float) -> Iterator[Goal]:
    """Yield the most that a worker does, and the delay at a rate."""
    place = at(bootstrap)
    with scoring(place) as worker:
        found = most(place, worker, int(rate * seconds))
        say(f"as fast as it can: {found.a_second:,.0f}/s, {found.cpu_ms:.2f} ms CPU an analysis")
    yield Goal("analyses a worker", found.a_second, "/s", "≥", RATE)


def delay(bootstrap: str, rate: float, seconds: float) -> Iterator[Goal]:
    """Yield the delay at a rate."""
    place = at(bootstrap)
    with scoring(place) as worker:
        found = load(place, worker, rate, seconds)
    say(
        f"at {rate:,.0f}/s: {found.a_second:,.0f}/s scored, {found.cpu_ms:.2f} ms CPU an analysis,"
        f" worst delay {found.worst_ms:,.0f} ms"
    )
    yield Goal(f"median delay at {rate:,.0f}/s", found.median_ms, "ms", "<", MEDIAN_MS)
    yield Goal(f"p99 of the delay at {rate:,.0f}/s", found.p99_ms, "ms", "<", P99_MS)


def memory(bootstrap: str, inputs: int, remembered: int) -> Iterator[Goal]:
    """Yield what memory grows by over the last half of many different inputs."""
    place = at(bootstrap)
    with scoring(place, OPWATCH_QUALITY_INPUTS=str(remembered)) as worker:
        found = most(place, worker, inputs)
    rss_mb = found.rss_mb
    half = rss_mb[len(rss_mb) // 2 :]
    line = np.polyfit(np.arange(len(half)), half, 1)[0] * len(half) if len(half) > 1 else 0.0
    say(f"{inputs:,} inputs: {max(rss_mb):,.0f} MB at most, {found.a_second:,.0f}/s")
    yield Goal(f"growth over the last half of {inputs:,} inputs", float(line), "MB", "<", GROWTH_MB)


def beside_bad_assessors(bootstrap: str) -> Iterator[Goal]:
    """Yield the longest that analyses take of which an assessor hangs, crashes, is slow or eats."""
    for kind, longest_ms in hostile(at(bootstrap)).items():
        yield Goal(
            f"longest delay beside what an assessor does: {kind}", longest_ms, "ms", "<", WORST_MS
        )


def main() -> int:
    """Print the figures; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cases = ("speed", "delay", "beside", "hostile", "memory")
    parser.add_argument("--only", nargs="+", choices=cases, default=cases)
    parser.add_argument("--rate", type=float, default=RATE, help="analyses a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="that are measured")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of the memory case")
    parser.add_argument("--remembered", type=int, default=100_000, help="OPWATCH_QUALITY_INPUTS")
    options = parser.parse_args()
    bootstrap = os.environ.get("OPWATCH_KAFKA_BOOTSTRAP")
    if not bootstrap:
        print("no Kafka: set OPWATCH_KAFKA_BOOTSTRAP, or use python -m stack run", file=sys.stderr)
        return 2
    runs = {
        "speed": lambda: speed(bootstrap, options.rate, options.seconds),
        "delay": lambda: delay(bootstrap, options.rate, options.seconds),
        "beside": lambda: beside(bootstrap, options.rate, options.seconds),
        "hostile": lambda: beside_bad_assessors(bootstrap),
        "memory": lambda: memory(bootstrap, options.inputs, options.remembered),
    }
    goals: list[Goal] = []
    for case in options.only:
        say(f"{case} …")
        goals += runs[case]()
    print("\n".join(map(str, goals)))
    return int(not all(goal.is_met for goal in goals))


if __name__ == "__main__":
    sys.exit(main())
