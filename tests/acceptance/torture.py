"""Count exactly while workers and the broker are killed, paused and joined; seeds side by side.

python -m tests.acceptance.torture --seeds 20 --jobs 2
"""

import argparse
import json
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from confluent_kafka.admin import AdminClient, NewTopic

from agents.runtime.watchdog import EXIT_STALLED
from stack.kafka import LocalKafka
from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.comparison import Comparison
from tests.acceptance.workload import Workload
from tests.ports import lasting_port

PARTITIONS = 4
#: Of `operations`, after it has grown.
GROWN = 7
#: Of the measuring plane, after it has been moved.
RESHARDED = 6
#: A reshard that is cut off runs at most this long before.
CUT_OFF_S = 15.0
#: Every worker that runs knows of new partitions within this.
KNOWN_S = 8.0
SESSION_S = 6.0
GRACE_MS = 10_000
#: Event time begins eight days ago: by default Kafka would remove what the oracle is to read.
KEPT = {"retention.ms": "-1"}
#: Workers that publish nothing for so long have published all they ever will.
QUIET_S = 120.0
#: A worker that is to die at a failpoint starts, and gets there, within this.
REACH_S = 15.0
#: A worker ends within this also on a machine that is busy with other runs.
END_S = 60.0
FAILPOINTS = (
    "ingest_after_letters",
    "ingest_after_partials",
    "windows_after_publish",
    "windows_after_rows",
    "windows_before_commit",
)
ACTIONS = ("kill", "kill", "term", "stop", "join", "failpoint", "broker")
#: What happens in the middle of a seed, by the seed's last digit.
SCENES = {3: "grow", 7: "reshard"}


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
        self.topic = self.prefix + "operations"
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        self.load = Workload(kafka.bootstrap, self.topic, PARTITIONS, seed, events)

    def act(self, action: str) -> None:
        """Do one bad thing."""
        name = self.rng.choice(["w0", "w1"])
        if action == "kill":
            self.workers.kill(name)
        elif action == "term":
            status = self.workers.terminate(name, END_S)
            if status == EXIT_STALLED:  # a busy machine: it had ended by itself
                self.workers.ended.append((name, status))
            else:
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
            self.workers.terminate("w2", END_S)
        elif action == "broker":
            self.kafka.restart()
        elif action == "grow":
            self._grow()
        elif action == "reshard":
            self._reshard()
        else:
            place = action.partition(" ")[2] or self.rng.choice(FAILPOINTS)
            place += f":{self.rng.randrange(1, 6)}"
            self.workers.restart(name, failpoint=place)
            reached_until = time.monotonic() + REACH_S
            while self.workers.is_running(name) and time.monotonic() < reached_until:
                time.sleep(0.2)
            action = f"failpoint {place}"
        self.done.append(action)

    def _grow(self) -> None:
        """Give `operations` more partitions, and send to them once workers know."""
        topics.grow(self.admin, self.topic, GROWN)
        # Event time runs 10,000 times faster than the clock: a grace is a millisecond of it.
        time.sleep(KNOWN_S)
        self.load.partitions = GROWN

    def _reshard(self) -> None:
        """Kill all workers and move to more partitions; cut that off, and let it go on."""
        for name in self.workers.names:
            self.workers.end(name, signal.SIGKILL)
        for within_s in (self.rng.uniform(0, CUT_OFF_S), END_S):
            status = self.workers.reshard(RESHARDED, within_s)
            self.done.append(f"reshard that ended with {status}")
            if status == 0:
                break
        assert status == 0, f"the reshard ended with {status}"
        for name in ("w0", "w1"):
            self.workers.start(name)

    def run(self, actions: list[str]) -> dict[str, Any]:
        """Publish under fire, then compare."""
        topics.make(self.admin, NewTopic(self.topic, PARTITIONS, 1, config=KEPT))
        thread = threading.Thread(target=self.load.run, args=(len(actions) * 7.0,))
        with closing(self.workers):
            for name in ("w0", "w1"):
                self.workers.start(name)
            thread.start()
            try:
                for action in actions:
                    time.sleep(self.rng.uniform(3, 7))
                    self.workers.supervise()
                    self.act(action)
                thread.join()
                return self._compare() | {"aborted transactions": self.load.aborted}
            finally:
                self.load.stop()
                thread.join()

    def _compare(self) -> dict[str, Any]:
        began = time.monotonic()
        records = oracle.read_topic(self.kafka.bootstrap, self.topic)
        truth, dead = oracle.compute(records, GRACE_MS)
        comparison = Comparison(truth, GRACE_MS)
        published = oracle.Reader(self.kafka.bootstrap, self.prefix + "aggregates")
        revisions = 0
        wrong = ["nothing compared yet"]
        grew_at = time.monotonic()
        while wrong and time.monotonic() - grew_at < QUIET_S:
            self.workers.supervise()
            time.sleep(1)
            if news := published.read():
                grew_at = time.monotonic()
                revisions += len(news)
                wrong = comparison.take(news)
        published.close()
        settled_s = time.monotonic() - began
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
            "sent again out of order": oracle.disordered(records),
            "revisions": revisions,
            "dead letters": len(dead),
            "settled after s": round(settled_s, 1),
            "actions": dict(Counter(one.split(":")[0] for one in self.done)),
            "failpoints reached": [status for _, status in self.workers.ended].count(
                -signal.SIGKILL
            ),
            "ended by themselves": [status for _, status in self.workers.ended],
            "wrongs": len(wrong),
            "wrong": wrong[:5],
        }


def truth_total(truth: dict[tuple, oracle.Truth]) -> int:
    return sum(one.count for key, one in truth.items() if key[:4] == ("*", None, None, "1m"))


def _torture(seed: int, options: argparse.Namespace) -> NoReturn:
    """Run one seed in a process of its own; its exit status says whether it was exact."""

    def end(_number: int, _frame: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(2)

    signal.signal(signal.SIGTERM, end)
    # A terminal's Ctrl-C comes here too; the process that started us says when to end.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    rng = random.Random(seed)
    actions = [options.only or rng.choice(ACTIONS) for _ in range(options.actions)]
    if not options.only and (scene := SCENES.get(seed % 10)):
        actions[len(actions) // 2] = scene
    folder = Path(tempfile.mkdtemp(prefix=f"opwatch-torture-seed{seed}-"))
    failed = False
    try:
        with LocalKafka(folder / "kafka", port=lasting_port()) as kafka:
            result = Run(kafka, seed, folder, options.events).run(actions)
        print(json.dumps(result), flush=True)
        failed = not result["exact"]
    except Exception:
        failed = True
        raise
    finally:
        if failed:
            print(f"the logs, and Kafka's data, are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


def _next_exact(running: list[BaseProcess]) -> bool:
    """Wait until a seed ends, and return whether it was exact."""
    ended = connection.wait([process.sentinel for process in running])
    process = next(one for one in running if one.sentinel in ended)
    process.join()
    running.remove(process)
    return process.exitcode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds, from 1 on")
    parser.add_argument("--jobs", type=int, default=2, help="how many of them at a time")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--actions", type=int, default=10, help="bad things a seed")
    parser.add_argument("--events", type=int, default=40_000, help="operations a seed")
    kinds = sorted({*ACTIONS, *SCENES.values()})
    parser.add_argument("--only", choices=kinds, help="one kind of bad thing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    # Not forked: a child must not inherit the threads' state of Kafka's library.
    context = multiprocessing.get_context("spawn")
    running: list[BaseProcess] = []
    exact = 0
    try:
        for seed in range(options.first, options.first + options.seeds):
            if len(running) == options.jobs:
                exact += _next_exact(running)
            process = context.Process(target=_torture, args=(seed, options))
            process.start()
            running.append(process)
        while running:
            exact += _next_exact(running)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.join()
    print(f"{exact} of {options.seeds} seeds exact")
    return 0 if exact == options.seeds else 1


if __name__ == "__main__":
    sys.exit(main())
