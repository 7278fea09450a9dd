"""A rule file that changes is in effect within seconds; a wrong one changes nothing and says so."""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.acceptance import oracle
from tests.acceptance.cluster import Workers

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

MINUTE_MS = 60_000
RULE = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 5, window: 5m, each: platform, severity: high}
"""


def test_a_rule_file_is_taken_over_while_it_fires(
    kafka: str, prefix: str, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE)
    workers = Workers(kafka, prefix, 2, tmp_path, OPWATCH_RULE_FILE=str(rules))
    workers.start("w0")

    def told() -> list[dict[str, Any]]:
        records = oracle.read_topic(kafka, prefix + "breaches")
        return [json.loads(record.value()) for record in records]

    def ready() -> str:
        lines = (tmp_path / "w0.log").read_text().splitlines()
        url = next(
            json.loads(line)["url"] for line in lines if '"metrics and health"' in line
        ).replace("/metrics", "/readyz")
        with urllib.request.urlopen(url) as answer:
            return answer.read().decode()

    try:
        eventually(lambda: '"metrics and health"' in (tmp_path / "w0.log").read_text())
        producer = Producer({"bootstrap.servers": kafka})
        now_ms = int(time.time() * 1000)
        for number in range(100):
            event = {
                "id": str(number),
                "operation": "parse",
                "platform": "lever",
                "occurred_at": now_ms,
                "success": number % 2 == 0,
                "duration_ms": 5.0,
            }
            producer.produce(prefix + "operations", json.dumps(event).encode(), partition=0)
        began = time.monotonic()
        producer.flush(10)
        (opened,) = eventually(told)
        print(f"opened {time.monotonic() - began:.1f} s after the events")
        assert opened["state"] == "opened"
        assert opened["stale"] is False
        rules.write_text(RULE.replace("error_rate", "eror_rate"))
        eventually(lambda: "the rule file is wrong" in ready())
        assert [one["id"] for one in told()] == [opened["id"]]
        rules.write_text(RULE.replace("errors", "failures"))
        eventually(lambda: any(one["why"] == "rule_removed" for one in told()))
        assert ready() == "ok\n"
        resolved = next(one for one in told() if one["why"] == "rule_removed")
        assert (resolved["id"], resolved["rules_hash"]) == (opened["id"], opened["rules_hash"])
        workers.kill("w0")
        producer.produce(prefix + "operations", json.dumps(event | {"id": "x"}).encode())
        producer.flush(10)
        again = eventually(lambda: [one for one in told() if one["rule"] == "failures"])
        assert again[0]["state"] == "opened"
    finally:
        workers.close()
        print((tmp_path / "w0.log").read_text()[-3000:])
