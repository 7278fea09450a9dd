"""Measure the alert role: ten thousand breaches in a second, and how long one takes when idle."""

import json
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import yaml
from confluent_kafka import Consumer, TopicPartition

from benchmarks.places import delete_topics
from benchmarks.race import Failed
from tests.acceptance import oracle
from tests.acceptance.alert_scene import Breaches, Receivers, breach, until
from tests.acceptance.cluster import Workers
from tests.receivers.http import Receiver
from tests.receivers.says import Hang
from tests.receivers.webhook import PATH, webhook

DEAD = ("refuses", "hangs")
LIVING = ("slack", "hook", "pager")
#: Webhooks used in turn, so that none gets a second message while it groups.
TURNS = 10


class AlertWorker:
    """A worker of alerts, and its receivers."""

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
        allowed = ["SLACK_*", "HOOK_*", "PAGERDUTY_*", *extra]
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
            bootstrap,
            self.prefix,
            2,
            folder,
            role="alert",
            OPWATCH_CHANNEL_VARIABLES=",".join(allowed),
            **(settings | extra),
        )

    def begin(self) -> None:
        """Start it, and wait until it works."""
        self.workers.start("w0")
        self.process = psutil.Process(self.workers.pid("w0"))
        if not until(lambda: "alerts taken over" in self.log.read_text(), 60):
            raise Failed(f"the worker did not begin:\n{self.log.read_text()[-2000:]}")

    def committed(self) -> int:
        """Return how many breaches are committed."""
        group = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.prefix + "alert"})
        [place] = group.committed([TopicPartition(self.prefix + "breaches", 0)], timeout=10)
        group.close()
        return max(place.offset, 0)

    def idle(self, samples: int) -> dict[str, float]:
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
        if not took:
            raise Failed(f"no breach became a request:\n{self.log.read_text()[-2000:]}")
        return {
            "alert_idle_median_ms": statistics.median(took),
            "alert_idle_p99_ms": took[int(0.99 * (len(took) - 1))],
            "alert_idle_lost": samples - len(took),
        }

    def flood(self, count: int) -> dict[str, float]:
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
        if decided is None:
            raise Failed(f"{self.committed() - before} of {count} breaches are decided")
        return {
            "alerts_breaches": count,
            "alerts_published_s": published,
            "alerts_decided_s": decided,
            "alerts_cpu_s": cpu,
            "alerts_undecided": count * len(channels) - len(decided_on),
            "alerts_first_request_s": after or float("inf"),
            "alerts_refused": sum(len(r.mistakes) for r in self.receivers.by_name.values()),
            "alerts_rss_mb": max(rss),
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


def alert_load(bootstrap: str, samples: int, breaches: int) -> dict[str, float]:
    """Measure single breaches, then many at once; two of five receivers are dead."""
    receivers = Receivers()
    receivers.by_name["hangs"] = Receiver(webhook)
    receivers.by_name["hangs"].says(*[Hang()] * 10_000)
    for i in range(TURNS):
        receivers.by_name[f"turn_{i}"] = Receiver(webhook)
    with tempfile.TemporaryDirectory(prefix="opwatch-alert-bench-") as folder, receivers:
        worker = AlertWorker(bootstrap, receivers, Path(folder))
        try:
            worker.begin()
            return worker.idle(samples) | worker.flood(breaches)
        finally:
            worker.workers.close()
            delete_topics(bootstrap, worker.prefix)
