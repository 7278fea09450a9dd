"""A running worker notices what becomes of Kafka and of its topics."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from stack.kafka import LocalKafka
from tests import topics
from tests.acceptance.running import Running
from tests.ports import lasting_port

READY_S = 120.0

Eventually = Callable[..., Any]


def operation(name: str) -> bytes:
    now_ms = int(time.time() * 1000)
    fields = {"id": name, "operation": "parse", "occurred_at": now_ms, "success": True}
    return json.dumps(fields | {"duration_ms": 5}).encode()


def test_an_open_transaction_is_lag_and_operations_made_again_ends_the_worker(
    running: Running, eventually: Eventually, kafka: str, prefix: str
) -> None:
    topic = f"{prefix}operations"
    running.start("measure")
    eventually(lambda: running.is_ready(0), READY_S)
    hanging = Producer({"bootstrap.servers": kafka, "transactional.id": f"{prefix}hangs"})
    hanging.init_transactions(20)
    hanging.begin_transaction()
    hanging.produce(topic, operation("open"), partition=0)
    hanging.flush(20)
    plain = Producer({"bootstrap.servers": kafka})
    for number in range(9):
        plain.produce(topic, operation(str(number)), partition=0)
    assert plain.flush(20) == 0

    def lag() -> float:
        found = re.search(
            rf'opwatch_lag_records{{partition="0",topic="{re.escape(topic)}"}} (\S+)',
            running.get(0, "/metrics")[1],
        )
        return float(found[1]) if found else 0.0

    eventually(lambda: lag() == 10, READY_S)
    sentence = f"an open transaction holds {topic}, partition 0, at offset 0 for"
    eventually(lambda: sentence in running.get(0, "/readyz")[1], READY_S)
    assert "opwatch_pinned_partitions 1.0" in running.get(0, "/metrics")[1]
    hanging.abort_transaction(20)
    eventually(lambda: lag() == 0, READY_S)
    eventually(lambda: sentence not in running.get(0, "/readyz")[1], READY_S)

    administrator = AdminClient({"bootstrap.servers": kafka})
    topics.remove(administrator, topic)
    time.sleep(2)
    topics.make(administrator, NewTopic(topic, 2, 1))
    eventually(running.ended, READY_S)
    running.start("measure")
    eventually(lambda: len(running.ended()) == 2, READY_S)
    for number in (0, 1):
        assert running.processes[number].wait() == 1
        assert f"{topic} was deleted" in running.log(number).splitlines()[-1]
        assert "Choose another OPWATCH_TOPIC_PREFIX" in running.log(number)


@pytest.mark.parametrize(("role", "name"), [("measure", "operations"), ("alert", "commands")])
def test_a_topic_made_again_ends_also_a_worker_that_has_read_nothing(
    role: str, name: str, running: Running, eventually: Eventually, kafka: str, prefix: str
) -> None:
    topic = prefix + name
    running.start(role)
    eventually(lambda: running.is_ready(0), READY_S)
    administrator = AdminClient({"bootstrap.servers": kafka})
    group = ConsumerGroupTopicPartitions(prefix + role)

    def has_begun() -> bool:
        answer = administrator.list_consumer_group_offsets([group])[group.group_id].result(20)
        return topic in {place.topic for place in answer.topic_partitions if place.offset >= 0}

    eventually(has_begun, READY_S)
    running.processes[0].kill()
    running.processes[0].wait()
    topics.remove(administrator, topic)
    time.sleep(2)
    topics.make(administrator, NewTopic(topic, 2 if role == "measure" else 1, 1))
    running.start(role)
    eventually(lambda: len(running.ended()) == 2, READY_S)
    assert running.processes[1].wait() == 1
    assert f"{topic} was deleted and made again" in running.log(1).splitlines()[-1]


def test_kafka_that_is_away_makes_both_roles_unready_and_they_come_back(
    tmp_path: Path, eventually: Eventually
) -> None:
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        running = Running(kafka.bootstrap, "away.", tmp_path)
        try:
            for role in ("measure", "alert"):
                running.start(role)
            eventually(lambda: all(running.is_ready(number) for number in (0, 1)), READY_S)
            kafka.kill()
            said = f"Kafka at {kafka.bootstrap} has not answered since"
            for number in (0, 1):
                eventually(lambda n=number: said in running.get(n, "/readyz")[1], READY_S)
                assert running.get(number, "/readyz")[0] == 503
                assert running.get(number, "/healthz")[0] == 200
            time.sleep(15)
            kafka.start()
            eventually(lambda: all(running.is_ready(number) for number in (0, 1)), READY_S)
            assert running.ended() == []
        finally:
            running.close()
            for number in (0, 1):
                print(running.log(number)[-3000:])
