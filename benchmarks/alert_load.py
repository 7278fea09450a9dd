"""Measure the alert role: ten thousand breaches in a second, and how long one takes when idle.

python -m stack run -- python -m benchmarks.alert_load
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from confluent_kafka import Consumer, TopicPartition

from tests.acceptance import oracle
from tests.acceptance.alert_scene import Breaches, Receivers, breach, until
from tests.acceptance.cluster import Workers
from tests.receivers.http import Receiver, taken
from tests.receivers.says import Hang
from tests.receivers.webhook import PATH, webhook

DEAD = ("refuses", "hangs")
LIVING = ("slack", "hook", "pager")
#: Webhooks used in turn, so that none gets a second message while it groups.
TURNS = 10


class Bench:
    """One worker, and its receivers."""

    def __init__(self, bootstrap: str, receivers: Receivers, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.receivers = receivers
        self.prefix = f"alertbench{time.time_ns() % 10**9}."
        settings = receivers.settings(folder)
        extra = {
            "REFUSES_URL": "http://localhost:9/hook",
            "HANGS_URL": receivers.by_name["hangs"].url + PATH,
            **{f"TURN_{i}_URL": receivers.by_name[f"turn_{i}"].url + PATH for i in range(TURNS)},
        }
        rules = receivers.rule_file()
        for variable in extra:
            name = variable.removesuffix("_URL").lower()
            rules["channels"].append(
                {"name": name, "type": "webhook", "url_env": variable, "secret_env": "HOOK_SECRET"}
            )
        Path(settings["OPWATCH_RULE_FILE"]).write_text(yaml.safe_dump(rules))
        self.breaches = Breaches(bootstrap, self.prefix)
        self.log = folder / "w0.log"
        self.workers = Workers(
            bootstrap, self.prefix, 2, folder, role="alert", **(settings | extra)
        )
        self.workers.start("w0")
        self.process = psutil.Process(self.workers.pid("w0"))
        if not until(lambda: "alerts taken over" in self.log.read_text(), 60):
            sys.exit(f"the worker did not begin:\n{self.log.read_text()[-2000:]}")

    def committed(self) -> int:
        """Return how many breaches are committed."""
        group = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.prefix + "alert"})
        [place] = group.committed([TopicPartition(self.prefix + "breaches", 0)], timeout=10)
        group.close()
        return max(place.offset, 0)

    def idle(self, samples: int) -> dict[str, Any]:
        """Return how long a breach takes from its topic to the request."""
        sent: list[float] = []
        for i in range(samples):
            opened = breach(100_000 + i, 1, "opened")
            opened["routing"]["channels"] = [f"turn_{i % TURNS}"]
            sent.append(time.time())
            self.breaches.publish(opened)
            time.sleep(0.75)
        arrived_at: dict[str, float] = {}
        for i in range(TURNS):
            for arrived in self.receivers.by_name[f"turn_{i}"].arrived:
                for alert in json.loads(arrived.body)["alerts"]:
                    arrived_at.setdefault(alert["fingerprint"], arrived.at)
        took = sorted(
            (arrived_at[f"alert-{100_000 + i:05d}"] - at) * 1000
            for i, at in enumerate(sent)
            if f"alert-{100_000 + i:05d}" in arrived_at
        )
        return {
            "samples": len(took),
            "of": samples,
            "median_ms": round(statistics.median(took), 1),
            "p99_ms": round(took[int(0.99 * (len(took) - 1))], 1),
            "max_ms": round(took[-1], 1),
        }

    def flood(self, count: int) -> dict[str, Any]:
        """Return how long `count` breaches take to be decided and recorded."""
        before = self.committed()
        rss = [self._rss()]
        hook = self.receivers.by_name["hook"]
        first = len(hook.arrived)
        channels = [*LIVING, *DEAD]
        breaches = [breach(i, 1, "opened") for i in range(count)]
        for opened in breaches:
            opened["routing"]["channels"] = channels
        began, began_at = time.monotonic(), time.time()
        self.breaches.publish(*breaches)
        published = time.monotonic() - began
        decided, cpu = None, self._cpu_s()
        while time.monotonic() - began < 120:
            rss.append(self._rss())
            if self.committed() - before >= count:
                decided = time.monotonic() - began
                break
            time.sleep(0.2)
        cpu = self._cpu_s() - cpu
        decided_on = self._decided_on()
        after = until(lambda: len(hook.arrived) > first, 10) and hook.arrived[first].at - began_at
        end = time.monotonic() + 45
        while time.monotonic() < end:  # while the first storms are sent
            rss.append(self._rss())
            time.sleep(1)
        return {
            "breaches": count,
            "published_s": round(published, 2),
            "decided_and_recorded_s": decided and round(decided, 2),
            "of_that_cpu_s": round(cpu, 2),
            "load_average": [round(load, 1) for load in os.getloadavg()],
            "without_a_decision": count * len(channels) - len(decided_on),
            "first_request_s": after and round(after, 2),
            "messages": {name: len(taken(self.receivers.by_name[name].arrived)) for name in LIVING},
            "refused": sum(len(r.mistakes) for r in self.receivers.by_name.values()),
            "rss_mb": {"before": rss[0], "most": max(rss), "after": rss[-1]},
        }

    def _decided_on(self) -> set[tuple[str, str]]:
        records = oracle.read_topic(self.bootstrap, self.prefix + "notifications")
        decisions = [json.loads(record.value()) for record in records]
        return {
            (decision["breach_id"], decision["channel"])
            for decision in decisions
            if decision["channel"] in (*LIVING, *DEAD)
            and int(decision["breach_id"].split("-")[1]) < 100_000
        }

    def _cpu_s(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def _rss(self) -> int:
        return self.process.memory_info().rss >> 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--breaches", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=100, help="breaches sent while idle")
    options = parser.parse_args()
    bootstrap = os.environ.get("OPWATCH_KAFKA_BOOTSTRAP")
    if not bootstrap:
        print("no Kafka: set OPWATCH_KAFKA_BOOTSTRAP, or use python -m stack run", file=sys.stderr)
        return 2
    receivers = Receivers()
    receivers.by_name["hangs"] = Receiver(webhook)
    receivers.by_name["hangs"].says(*[Hang()] * 10_000)
    for i in range(TURNS):
        receivers.by_name[f"turn_{i}"] = Receiver(webhook)
    with tempfile.TemporaryDirectory(prefix="opwatch-alert-bench-") as folder, receivers:
        bench = Bench(bootstrap, receivers, Path(folder))
        try:
            result = {"idle": bench.idle(options.samples), "flood": bench.flood(options.breaches)}
        finally:
            bench.workers.close()
            print(bench.log.read_text()[-3000:], file=sys.stderr)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
