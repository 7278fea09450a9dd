"""Count exactly while workers and the broker are killed, paused and joined; a seed a run.

python -m tests.acceptance.torture --seeds 20
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.workload import Workload

PARTITIONS = 4
SESSION_S = 6.0
GRACE_MS = 10_000
#: Workers that publish nothing for so long have published all they ever will.
QUIET_S = 120.0
FAILPOINTS = (
    "ingest_after_letters",
    "ingest_after_partials",
    "windows_after_publish",
    "windows_after_rows",
    "windows_before_commit",
)
ACTIONS = ("kill", "kill", "term", "stop", "join", "failpoint", "broker")


class Run:
    """One seed."""

    def __init__(self, kafka: LocalKafka, seed: int, folder: Path, events: int) -> None:
        self.kafka = kafka
        self.prefix = f"torture{seed}-{int(time.time())}."
        self.rng = random.Random(seed)
        self.seed = seed
        self.events = events
        self.workers = Workers(
            kafka.bootstrap,
            self.prefix,
            PARTITIONS,
            folder,
            OPWATCH_SESSION_TIMEOUT_S=str(SESSION_S),
        )
        self.done: list[str] = []

    def act(self, action: str) -> None:
        """Do one bad thing."""
        name = self.rng.choice(["w0", "w1"])
        if action == "kill":
            self.workers.kill(name)
        elif action == "term":
            status = self.workers.terminate(name)
            # One that has only just begun may not listen to the signal yet.
            assert status in (0, -signal.SIGTERM), f"SIGTERM ended {name} with {status}"
            self.workers.start(name)
        elif action == "stop":
            self.workers.signal(name, signal.SIGSTOP)
            time.sleep(SESSION_S + 4)
            self.workers.signal(name, signal.SIGCONT)
        elif action == "join":
            self.workers.start("w2")
            time.sleep(8)
            self.workers.terminate("w2")
        elif action == "broker":
            self.kafka.restart()
        else:
            place = action.partition(" ")[2] or self.rng.choice(FAILPOINTS)
            place += f":{self.rng.randrange(1, 6)}"
            self.workers.signal(name, signal.SIGKILL)
            self.workers._processes[name].wait()
            self.workers.start(name, failpoint=place)
            action = f"failpoint {place}"
        self.done.append(action)

    def run(self, actions: list[str]) -> dict[str, Any]:
        """Publish under fire, then compare."""
        topic = self.prefix + "operations"
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap})
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
        for name in ("w0", "w1"):
            self.workers.start(name)
        load = Workload(self.kafka.bootstrap, topic, PARTITIONS, self.seed, self.events)
        thread = threading.Thread(target=load.run, args=(len(actions) * 7.0,))
        thread.start()
        try:
            for action in actions:
                time.sleep(self.rng.uniform(3, 7))
                self.workers.supervise()
                self.act(action)
            thread.join()
            return self._compare(topic)
        finally:
            thread.join()
            self.workers.close()

    def _compare(self, topic: str) -> dict[str, Any]:
        truth, dead = oracle.compute(oracle.read_topic(self.kafka.bootstrap, topic), GRACE_MS)
        records: list[Any] = []
        wrong: list[str] = ["nothing compared yet"]
        grew_at = time.monotonic()
        while wrong and time.monotonic() - grew_at < QUIET_S:
            self.workers.supervise()
            time.sleep(3)
            before = len(records)
            records = oracle.read_topic(self.kafka.bootstrap, self.prefix + "aggregates")
            wrong = mistakes(truth, [json.loads(record.value()) for record in records])
            if len(records) > before:
                grew_at = time.monotonic()
        letters = {
            r.key().decode()
            for r in oracle.read_topic(self.kafka.bootstrap, self.prefix + "dead-letters")
        }
        if letters != dead:
            wrong.append(
                f"dead letters: {len(letters)} of {len(dead)}, e.g. {sorted(letters ^ dead)[:3]}"
            )
        return {
            "seed": self.seed,
            "exact": not wrong,
            "operations": truth_total(truth),
            "windows": len(truth),
            "revisions": len(records),
            "dead letters": len(dead),
            "actions": dict(Counter(one.split(":")[0] for one in self.done)),
            "failpoints reached": [status for _, status in self.workers.ended].count(
                -signal.SIGKILL
            ),
            "ended by themselves": [status for _, status in self.workers.ended],
            "wrong": wrong[:5],
        }


def truth_total(truth: dict[tuple, oracle.Truth]) -> int:
    return sum(one.count for key, one in truth.items() if key[:4] == ("*", None, None, "1m"))


Windows = dict[tuple, oracle.Truth]


def mistakes(truth: Windows, aggregates: list[dict[str, Any]]) -> list[str]:
    """Return what differs between the published windows and the truth."""
    latest: dict[tuple, dict[str, Any]] = {}
    finals: dict[tuple, set[int]] = {}
    for one in aggregates:
        key = (*one["series"].values(), one["window"]["size"], one["window"]["start_ms"])
        stands = latest.get(key)
        if stands is None or _version(one) >= _version(stands):
            latest[key] = one
        if one["final"]:
            finals.setdefault(key, set()).add(one["revision"])
    wrong = [f"{key}: published, but there is none" for key in latest.keys() - truth.keys()]
    newest_ms = max(key[4] for key in truth)
    for key, true in truth.items():
        told = latest.get(key)
        if told is None:
            wrong.append(f"{key}: not published, {true.count} operations")
            continue
        end_ms = key[4] + oracle.SIZES[key[3]] * 1000
        must_be_final = end_ms + GRACE_MS < newest_ms - 60_000
        wrong += [f"{key}: {why}" for why in _differences(true, told)]
        if must_be_final and not told["final"]:
            wrong.append(f"{key}: not final")
        elif must_be_final and not true.late and len(finals[key]) > 1:
            wrong.append(f"{key}: final too early, at {sorted(finals[key])} of {true.count}")
    return wrong


def _version(one: dict[str, Any]) -> tuple[int, bool]:
    return one["revision"], one["final"]


def _differences(true: oracle.Truth, told: dict[str, Any]) -> list[str]:
    durations, cache = told["duration_ms"], told["cache"]
    sum_us = round(durations["sum"] * 1000)
    got = (told["count"], told["successes"], sum_us, cache["hits"], cache["misses"])
    want = (true.count, true.successes, true.duration_us, true.hits, true.misses)
    if got != want:
        return [f"{got}, not {want}"]
    ordered = sorted(true.durations)
    return [
        f"{name} {durations[name]} of {len(ordered)}"
        for rank, name in ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))
        if not oracle.percentile_holds(ordered, rank, durations[name])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from 1 on")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--actions", type=int, default=10, help="bad things a seed")
    parser.add_argument("--events", type=int, default=40_000, help="operations a seed")
    parser.add_argument("--only", choices=sorted(set(ACTIONS)), help="one kind of bad thing")
    options = parser.parse_args()
    exact = 0
    with tempfile.TemporaryDirectory(prefix="opwatch-torture-") as folder:
        for seed in range(options.first, options.first + options.seeds):
            logs = Path(folder) / str(seed)
            logs.mkdir()
            with LocalKafka(logs / "kafka") as kafka:
                rng = random.Random(seed)
                actions = [options.only or rng.choice(ACTIONS) for _ in range(options.actions)]
                result = Run(kafka, seed, logs, options.events).run(actions)
            exact += result["exact"]
            print(json.dumps(result), flush=True)
            if not result["exact"]:
                kept = Path(tempfile.mkdtemp(prefix=f"opwatch-torture-seed{seed}-"))
                for log in logs.glob("*.log"):
                    log.rename(kept / log.name)
                print(f"the workers' logs are in {kept}", file=sys.stderr)
    print(f"{exact} of {options.seeds} seeds exact")
    return 0 if exact == options.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
