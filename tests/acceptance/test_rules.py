"""Breaches that finals confirm equal an oracle's, whatever is killed or paused meanwhile."""

import json
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.rules_oracle import MINUTE_MS, Episode, Rule, episodes, error_rate, p95

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

PARTITIONS = 3
SESSION_S = 6.0
MINUTES = 110
#: The last minutes are well, so that all there is resolves.
_WELL = 14
FILE = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 5, window: 5m, severity: high, each: platform}
  - {name: tiers, kind: metric_threshold, metric: error_rate, operator: greater_than,
     tiers: [{severity: medium, threshold: 10}, {severity: critical, threshold: 40}],
     window: 2m, for: 1m, keep_firing_for: 2m, each: [operation, platform]}
  - {name: slow, kind: metric_threshold, metric: duration_p95, operator: greater_than,
     threshold: 150, window: 3m, each: platform}
  - {name: overall, kind: metric_threshold, metric: success_rate, operator: less_than,
     threshold: 80, window: 1m, severity: critical}
"""


def _past(limit: float, metric: Any, *, below: bool = False) -> Any:
    def severity(windows: list[dict[str, Any]]) -> str | None:
        value = metric(windows)
        if value is None or not (value < limit if below else value > limit):
            return None
        return "any"

    return severity


def _success_rate(windows: list[dict[str, Any]]) -> float | None:
    rate = error_rate(windows)
    return None if rate is None else 100 - rate


RULES = [
    Rule("errors", frozenset({"platform"}), 5, _past(5, error_rate)),
    Rule("tiers", frozenset({"operation", "platform"}), 2, _past(10, error_rate), 1, 2),
    Rule("slow", frozenset({"platform"}), 3, _past(150, p95)),
    Rule("overall", frozenset(), 1, _past(80, _success_rate, below=True)),
]


class Load:
    """Operations of three platforms, each well and ill by turns, over so many minutes."""

    def __init__(self, kafka: str, topic: str, seed: int, start_ms: int) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20})
        self._topic = topic
        self._rng = random.Random(seed)
        self._start_ms = start_ms
        self._ill: dict[str, tuple[int, int, str]] = {}

    def run(self, seconds: float) -> None:
        began = time.monotonic()
        for minute in range(MINUTES):
            self._minute(minute)
            self._producer.flush(30)
            time.sleep(max(0.0, began + seconds * (minute + 1) / MINUTES - time.monotonic()))

    def _minute(self, minute: int) -> None:
        rng = self._rng
        events = []
        for platform in ("lever", "ashby", "linkedin"):
            until, ends, how = self._ill.get(platform, (-1, -1, ""))
            if minute >= ends:
                until = minute + rng.randrange(1, 7)
                ends = until + rng.randrange(2, 9)
                how = rng.choice(("fails", "fails", "slow", "silent"))
                self._ill[platform] = until, ends, how
            how = how if minute < until and minute < MINUTES - _WELL else ""
            for operation in ("parse_job_data", "score"):
                count = rng.randrange(1, 12) if how != "silent" else 0
                events += [self._event(minute, operation, platform, how) for _ in range(count)]
        for event in sorted(events, key=lambda one: one["occurred_at"]):
            partition, stamp_ms = rng.randrange(PARTITIONS), event["occurred_at"]
            value = json.dumps(event).encode()
            self._producer.produce(self._topic, value, partition=partition, timestamp=stamp_ms)

    def _event(self, minute: int, operation: str, platform: str, how: str) -> dict[str, Any]:
        rng = self._rng
        return {
            "id": f"{rng.getrandbits(64):016x}",
            "operation": operation,
            "platform": platform,
            "occurred_at": self._start_ms + minute * MINUTE_MS + rng.randrange(MINUTE_MS),
            "success": rng.random() > (0.5 if how == "fails" else 0.01),
            "duration_ms": rng.uniform(10, 100) * (3 if how == "slow" else 1),
        }


def _told(kafka: str, prefix: str) -> dict[tuple[str, int], bytes]:
    """Return what stands on `breaches`; no id and revision with two contents."""
    found: dict[tuple[str, int], bytes] = {}
    for record in oracle.read_topic(kafka, prefix + "breaches"):
        one = json.loads(record.value())
        key = one["id"], one["revision"]
        assert found.setdefault(key, record.value()) == record.value(), f"{key} was said twice"
        assert record.key().decode() == one["fingerprint"]
    return found


def _confirmed(told: dict[tuple[str, int], bytes]) -> set[Episode]:
    last: dict[str, dict[str, Any]] = {}
    for (name, _), value in sorted(told.items()):
        last[name] = json.loads(value)
    return {
        Episode(one["rule"], one["series"], one["opened_ms"], one["resolved_ms"])
        for one in last.values()
        if one["confirmed"]
    }


def _explain(kafka: str, prefix: str, differing: set[Episode]) -> None:
    """Print what was said and read of the series that differ."""
    for episode in differing:
        for value in _told(kafka, prefix).values():
            one = json.loads(value)
            if (one["rule"], one["series"]) == (episode.rule, episode.series):
                fields = ("id", "revision", "state", "why", "opened_ms", "resolved_ms", "span")
                print(*(one[field] for field in fields))


def test_confirmed_breaches_equal_an_oracles_under_kills_pauses_and_failpoints(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    topic, seed = prefix + "operations", 7
    admin = AdminClient({"bootstrap.servers": kafka})
    topics.make(admin, NewTopic(topic, PARTITIONS, 1))
    rules = tmp_path / "rules.yaml"
    rules.write_text(FILE)
    workers = Workers(
        kafka,
        prefix,
        PARTITIONS,
        tmp_path,
        OPWATCH_SESSION_TIMEOUT_S=str(SESSION_S),
        OPWATCH_RULE_FILE=str(rules),
    )
    start_ms = (int(time.time() * 1000) // MINUTE_MS - MINUTES) * MINUTE_MS
    load = Load(kafka, topic, seed, start_ms)
    thread = threading.Thread(target=load.run, args=(150.0,))
    rng = random.Random(seed)
    try:
        for name in ("w0", "w1"):
            workers.start(name)
        time.sleep(6)
        thread.start()
        for action in (
            "kill",
            "rules_after_publish",
            "stop",
            "rules_after_rows",
            "kill",
            "rules_before_commit",
            "rules_after_publish",
        ):
            time.sleep(rng.uniform(4, 8))
            workers.supervise()
            name = rng.choice(("w0", "w1"))
            if action == "kill":
                workers.kill(name)
            elif action == "stop":
                workers.signal(name, signal.SIGSTOP)
                time.sleep(SESSION_S + 4)
                workers.signal(name, signal.SIGCONT)
            else:
                workers.signal(name, signal.SIGKILL)
                workers._processes[name].wait()
                workers.start(name, failpoint=f"{action}:{rng.randrange(1, 3)}")
                reached_until = time.monotonic() + 30
                while workers.is_running(name) and time.monotonic() < reached_until:
                    time.sleep(0.2)
        until = time.monotonic() + 200
        wanted: set[Episode] = set()
        got: set[Episode] = set()
        while time.monotonic() < until:
            workers.supervise()
            time.sleep(3)
            if thread.is_alive():
                continue
            records = oracle.read_topic(kafka, prefix + "aggregates")
            wanted = episodes(RULES, [json.loads(one.value()) for one in records])
            got = _confirmed(_told(kafka, prefix))
            if wanted and wanted == got and all(one.resolved_ms for one in wanted):
                break
        _explain(kafka, prefix, got ^ wanted)
        assert sorted(got - wanted, key=str) == []
        assert sorted(wanted - got, key=str) == []
        assert len({one.rule for one in got}) == len(RULES)
        killed = [status for _, status in workers.ended].count(-signal.SIGKILL)
        print(f"{len(got)} episodes, {killed} failpoints reached, ended {workers.ended}")
        assert killed >= 4
    finally:
        thread.join()
        workers.close()
        for log in sorted(tmp_path.glob("*.log")):
            print(log.name, log.read_text()[-3000:])
