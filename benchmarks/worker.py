"""Run `opwatch worker measure` over a filled topic, and watch it through its /metrics."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks import race
from benchmarks.environment import say
from benchmarks.load import MINUTE_MS, Records, Windows, expected, near_now, publish
from benchmarks.places import Place
from benchmarks.race import Failed, Figures, Sample

_POLL_S = 0.1
_START_DEADLINE_S = 120.0
_STALL_DEADLINE_S = 60.0
_PUBLISH_DEADLINE_S = 120.0
# After this, what the worker writes after its last aggregate (rows, progress) is in Kafka.
_SETTLE_S = 5.0
_REPORTED_EACH_S = 60

#: What `pip install` put beside this Python.
OPWATCH = Path(sys.executable).parent / "opwatch"

#: Each partition admits its share: of 10,000 series some have more than that by their names.
SERIES_LIMIT = "12000"
#: Series of an operation beside its platforms': no breakdown, and three levels of confidence.
_BESIDE_PLATFORMS = 4


def platforms_for(series: int, operations: int = 1) -> int:
    """Return how many platforms make about this many series: (operations + *) x (platforms + 4)."""
    return series // (operations + 1) - _BESIDE_PLATFORMS


class Worker:
    """A running worker, observed through its /metrics."""

    def __init__(self, pid: int, port: int, log, ended: Callable[[], int | None]) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._ready_url = f"http://127.0.0.1:{port}/readyz"
        self._log = log
        self._ended = ended

    def counted(self) -> int:
        """Return the events that it has counted; 0 while it does not answer."""
        return int(self.metric("opwatch_operations_total"))

    def metric(self, name: str) -> float:
        """Return a metric's sum over its labels; 0 while the worker does not answer."""
        if self._ended() is not None:
            raise Failed(f"the worker ended:\n{race.tail(self._log)}")
        line = re.compile(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", re.MULTILINE)
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                return sum(float(value) for value in line.findall(answer.read().decode()))
        except OSError:
            return 0.0

    def used(self) -> Sample:
        """Return what it has counted, and used with its children, until now."""
        return race.sample(self._process, self.counted())

    def ready_after(self) -> float:
        """Return the seconds until it has its partitions and has restored their rows."""
        began = time.monotonic()
        while not self.is_ready():
            if time.monotonic() - began > _START_DEADLINE_S:
                raise Failed(f"the worker did not become ready:\n{race.tail(self._log)}")
            time.sleep(_POLL_S)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """Return whether it has its partitions and has restored their rows."""
        if self._ended() is not None:
            raise Failed(f"the worker ended:\n{race.tail(self._log)}")
        try:
            with urllib.request.urlopen(self._ready_url, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def samples(self, total: int, every_s: float = _POLL_S) -> Iterator[Sample]:
        """Yield what it has counted and used, until it has counted everything."""
        moved, before = time.monotonic(), 0
        while before < total:
            now = self.used()
            yield now
            if now.counted != before:
                moved, before = now.at, now.counted
            deadline = _STALL_DEADLINE_S if before else _START_DEADLINE_S
            if now.at - moved > deadline:
                log = race.tail(self._log)
                raise Failed(f"no progress past {before:,} of {total:,} events:\n{log}")
            time.sleep(every_s)

    def kill(self) -> None:
        """SIGKILL it and its children: the session that `started` made."""
        os.killpg(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def started(
    place: Place, role: str = "measure", *, command: Sequence[str] = (), **settings: str
) -> Iterator[Worker]:
    """Run a worker in an empty folder, without .env and rule file."""
    port = _free_port()
    environment = {
        "OPWATCH_KAFKA_BOOTSTRAP": place.bootstrap,
        "OPWATCH_TOPIC_PREFIX": place.prefix,
        "OPWATCH_PARTITIONS": str(place.partitions),
        "OPWATCH_HTTP_PORT": str(port),
        "OPWATCH_INSTANCE": "bench",
        **settings,
    }
    command = [*(command or [str(OPWATCH)]), "worker", role]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        running = race.running(command, environment, cwd=Path(folder), log=log, stdout=log)
        with running as process:
            yield Worker(process.pid, port, log, process.poll)


def throughput(place: Place, records: Records) -> Figures:
    """Measure the worker over a filled topic; then read what it published and compare."""
    truth = expected(records)
    with started(place, OPWATCH_SERIES_LIMIT=SERIES_LIMIT) as worker:
        samples = list(worker.samples(records.total))
        begun = next(sample.at for sample in samples if sample.counted)
        found, complete_at = _published(place, truth)
    more = {"published_per_s": records.total / (complete_at - begun)}
    return race.figures(samples, wrong=race.differences(found, truth), more=more)


def recovery(place: Place, rows: int = 100_000, minutes: int = 50) -> Figures:
    """Fill the windows table, SIGKILL the worker, and time its successor.

    `counting_s`: until the successor has counted an event; `published_s`: until an aggregate of
    events that came after the kill is there, so after its table has recovered. From the kill.
    """
    platforms = platforms_for(rows // minutes)
    history = Records(
        events=platforms * minutes,
        start_ms=near_now(platforms * minutes, platforms),
        per_minute=platforms,
        platforms=platforms,
        taking_turns=True,
        closing=False,
    )
    publish(place.bootstrap, place.operations, place.partitions, history)
    truth = expected(history)
    with started(place) as worker:
        samples = list(worker.samples(history.total))
        found, _ = _published(place, truth)
        time.sleep(_SETTLE_S)
        worker.kill()
        killed = time.monotonic()
    fresh = Records(
        events=1_000,
        start_ms=int(time.time() * 1000) // MINUTE_MS * MINUTE_MS,
        platforms=4,
        closing=False,
    )
    publish(place.bootstrap, place.operations, place.partitions, fresh)
    with started(place) as worker:
        counting = next(s.at for s in worker.samples(fresh.total) if s.counted)
        renewed, complete_at = _published(place, expected(fresh))
    wrong = race.differences(found, truth) + race.differences(
        {key: row for key, row in renewed.items() if key in expected(fresh)}, expected(fresh)
    )
    more = {
        "rows": float(2 * (platforms + _BESIDE_PLATFORMS) * minutes),
        "counting_s": counting - killed,
        "published_s": complete_at - killed,
    }
    return race.figures(samples, wrong=wrong, more=more)


def memory(place: Place, series: int = 10_000, minutes: int = 1440) -> Figures:
    """Replay a day of one event a series a minute, and watch the resident memory.

    `growth_mb`: what the straight line through the last half of the day rises by.
    """
    operations = 10
    platforms = platforms_for(series, operations)
    a_minute = operations * platforms
    history = Records(
        events=a_minute * minutes,
        start_ms=near_now(a_minute * minutes, a_minute),
        per_minute=a_minute,
        operations=operations,
        platforms=platforms,
        per_record=100,
        taking_turns=True,
        closing=False,
    )
    publish(place.bootstrap, place.operations, place.partitions, history)
    samples: list[Sample] = []
    with started(place, OPWATCH_SERIES_LIMIT=SERIES_LIMIT) as worker:
        for now in worker.samples(history.total, every_s=1.0):
            if len(samples) % _REPORTED_EACH_S == 0:
                say(f"  {now.counted / history.total:.0%} replayed, {now.rss_mb:,.0f} MB")
            samples.append(now)
    half = [s for s in samples if s.counted * 2 >= history.total]
    growth = 0.0
    if len(half) > 1:
        share = np.array([s.counted / history.total for s in half])
        growth = float(np.polyfit(share, [s.rss_mb for s in half], 1)[0]) / 2
    more = {
        "series": float((operations + 1) * (platforms + _BESIDE_PLATFORMS)),
        "hours": minutes / 60,
        "growth_mb": growth,
    }
    return race.figures(samples, more=more)


def _published(place: Place, truth: Windows) -> tuple[Windows, float]:
    """Read `aggregates` until the minute windows by platform are as expected, or for two minutes.

    Return them, newest revision each, and when the last of them was seen.
    """
    consumer = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"{place.prefix}check"})
    topic = f"{place.prefix}aggregates"
    consumer.assign([TopicPartition(topic, number, 0) for number in range(place.partitions)])
    revisions: dict[str, int] = {}
    found: Windows = {}
    missing = set(truth)
    deadline = time.monotonic() + _PUBLISH_DEADLINE_S
    while missing and time.monotonic() < deadline:
        for message in consumer.consume(1000, timeout=0.2):
            if message.error() or message.value() is None:
                continue
            aggregate = json.loads(message.value())
            series, window = aggregate["series"], aggregate["window"]
            if series["operation"] != "*" or not series.get("platform") or window["size"] != "1m":
                continue
            key = f"{series['platform']}|{window['start_ms']}"
            if aggregate["revision"] < revisions.get(key, 0):
                continue
            revisions[key] = aggregate["revision"]
            row = (aggregate["count"], aggregate["successes"], aggregate["duration_ms"]["p95"])
            found[key] = row
            if key in truth and row[:2] == truth[key][:2]:
                missing.discard(key)
    seen = time.monotonic()
    consumer.close()
    return found, seen


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]
