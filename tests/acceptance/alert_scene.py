"""Publish breaches and listen as Slack, a webhook and PagerDuty do, in a thread of its own."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.receivers.http import Receiver
from tests.receivers.pagerduty import PATH as PAGERDUTY_PATH
from tests.receivers.pagerduty import PagerDuty
from tests.receivers.slack import PATH as SLACK_PATH
from tests.receivers.slack import slack
from tests.receivers.webhook import KEY, webhook
from tests.receivers.webhook import PATH as WEBHOOK_PATH

CHANNELS = ("slack", "hook", "pager")


class Receivers:
    """One receiver of each kind on loopback."""

    def __init__(self) -> None:
        self.pagerduty = PagerDuty()
        self.by_name = {
            "slack": Receiver(slack),
            "hook": Receiver(webhook),
            "pager": Receiver(self.pagerduty),
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for one in self.by_name.values():
            self.run(one.__aenter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in self.by_name.values():
            self.run(one.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def settings(self, folder: Path) -> dict[str, str]:
        """Return what an alert worker needs to reach them; the rule file is written."""
        rules = folder / "rules.yaml"
        rules.write_text(yaml.safe_dump(self.rule_file(), sort_keys=False))
        return {
            "OPWATCH_RULE_FILE": str(rules),
            "OPWATCH_PARTITIONS": "2",
            "OPWATCH_ALLOW_ADDRESSES": "127.0.0.0/8,::1",
            "SLACK_WEBHOOK_URL": self.by_name["slack"].url + SLACK_PATH,
            "HOOK_URL": self.by_name["hook"].url + WEBHOOK_PATH,
            "HOOK_SECRET": KEY,
            "PAGERDUTY_SERVICE_KEY": "0123456789abcdef0123456789abcdef",
        }

    def rule_file(self) -> dict[str, Any]:
        return {
            "version": 1,
            "channels": [
                {"name": "slack", "type": "slack"},
                {
                    "name": "hook",
                    "type": "webhook",
                    "url_env": "HOOK_URL",
                    "secret_env": "HOOK_SECRET",
                },
                {
                    "name": "pager",
                    "type": "pagerduty",
                    "url": self.by_name["pager"].url + PAGERDUTY_PATH,
                },
            ],
        }


def breach(number: int, revision: int, state: str, **changes: Any) -> dict[str, Any]:
    """Return a breach of the alert of this number."""
    episode = changes.pop("episode", 0)
    now_ms = int(time.time() * 1000)
    since_ms = changes.pop("since_ms", now_ms - 60_000)
    why = {"opened": "violated", "updated": "severity_changed", "resolved": "condition_gone"}
    return {
        "id": f"breach-{number:05d}-{episode}",
        "revision": revision,
        "state": state,
        "why": why[state],
        "fingerprint": f"alert-{number:05d}",
        "rule": f"rule_{number % 7}",
        "kind": "metric_threshold",
        "series": f'parse_job_data{{platform="p{number}"}}',
        "labels": {"operation": "parse_job_data", "platform": f"p{number}"},
        "severity": "high",
        "metric": "success_rate",
        "operator": "less_than",
        "threshold": 95.0,
        "observed": 80.0,
        "unit": "%",
        "samples": 400,
        "span": {"start_ms": since_ms - 300_000, "end_ms": since_ms},
        "since_ms": since_ms,
        "opened_ms": since_ms,
        "resolved_ms": now_ms if state == "resolved" else None,
        "confirmed": True,
        "summary": f"parse_job_data of p{number} succeeded in 80 % of 400 operations.",
        "routing": {"channels": list(CHANNELS), "cooldown_ms": 20_000},
        "rules_hash": "abcdef012345",
    } | changes


def acknowledgement(of: dict[str, Any]) -> dict[str, Any]:
    """Return the command that acknowledges a breach's episode."""
    return {
        "kind": "acknowledge",
        "id": f"ack-{of['id']}",
        "by": "ann",
        "at_ms": int(time.time() * 1000),
        "fingerprint": of["fingerprint"],
        "breach_id": of["id"],
    }


class Breaches:
    """Publishes onto `breaches`, and acknowledgements onto `commands`."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1})
        self._topics = {"breach": prefix + "breaches", "acknowledge": prefix + "commands"}
        admin = AdminClient({"bootstrap.servers": bootstrap})
        topics.make(admin, *(NewTopic(name, 1, 1) for name in self._topics.values()))

    def publish(self, *breaches: dict[str, Any]) -> None:
        for one in breaches:
            topic = self._topics.get(one.get("kind", ""), self._topics["breach"])
            self._producer.produce(topic, json.dumps(one).encode(), one["fingerprint"])
        assert self._producer.flush(30) == 0


def until(probe: Callable[[], Any], seconds: float) -> Any:
    """Return what the probe returns once that is true, or at the end whatever it is."""
    end = time.monotonic() + seconds
    while not (found := probe()) and time.monotonic() < end:
        time.sleep(0.1)
    return found
