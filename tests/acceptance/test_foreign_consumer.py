"""Someone without any of our code reads an aggregate and asks its digest."""

import json
import subprocess
import time

import numpy as np
import pytest
from confluent_kafka import Producer
from tdigest import TDigest

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.test_poison import made
from tests.promise import documented

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def test_kafka_console_consumer_and_the_tdigest_package_recompute_p95(
    kafka, prefix, worker, eventually, tmp_path
):
    producer: Producer = made(kafka, prefix)
    durations = np.random.default_rng(5).lognormal(4, 0.8, 5_000).round(3)
    now_ms = int(time.time() * 1000)
    for i, duration in enumerate(durations):
        operation = {
            "id": str(i),
            "operation": "parse",
            "occurred_at": now_ms - 30_000,
            "success": True,
            "duration_ms": duration,
        }
        producer.produce(prefix + "operations", json.dumps(operation))
    producer.flush(30)
    standing = oracle.Standing(kafka, prefix)
    eventually(lambda: standing.total() == 5_000)

    console = LocalKafka(tmp_path / "unused").tool(
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        *("--bootstrap-server", kafka, "--topic", prefix + "aggregates"),
        *("--from-beginning", "--timeout-ms", "8000"),
    )
    printed = subprocess.run(console, capture_output=True, text=True, timeout=60, check=False)
    aggregates = [json.loads(line) for line in printed.stdout.splitlines() if line[:1] == "{"]
    minutes = [
        one
        for one in aggregates
        if one["series"] == {"operation": "*", "platform": None, "confidence": None}
        and one["window"]["size"] == "1m"
    ]
    told = max(minutes, key=lambda one: one["revision"])
    digest = TDigest()
    centroids = documented("centroids")(told["digest"])
    digest.update_from_dict({"centroids": [{"m": mean, "c": count} for mean, count in centroids]})
    exact = float(np.quantile(durations, 0.95))
    assert digest.percentile(95) == pytest.approx(exact, rel=0.01)
    assert told["duration_ms"]["p95"] == pytest.approx(exact, rel=0.005)
    assert digest.percentile(95) == pytest.approx(told["duration_ms"]["p95"], rel=0.01)
    assert documented()([told], 95) == pytest.approx(exact, rel=0.005)
