"""The client publishes to a real Kafka whatever becomes of its process and of the broker."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import opwatch_client as opwatch
from opwatch_client import current
from schemas.operations import Operation, Operations
from stack.kafka import LocalKafka
from tests import topics
from tests.ports import lasting_port

ROOT = Path(__file__).parents[2]
PARTITIONS = 3


def create(bootstrap: str, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics.make(admin, NewTopic(topic, PARTITIONS, 1, config=config))


def read(bootstrap: str, topic: str) -> list[Operation]:
    """Return what stands in the topic; every record of it fits the schema."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "cl-oracle"})
    operations: list[Operation] = []
    try:
        for partition in range(PARTITIONS):
            place = TopicPartition(topic, partition, 0)
            low, high = consumer.get_watermark_offsets(place, timeout=30)
            consumer.assign([place])
            while low < high:
                message = consumer.poll(30)
                assert message is not None
                assert message.error() is None
                low = message.offset() + 1
                content = Operations.model_validate_json(message.value()).root
                operations += content if isinstance(content, list) else [content]
    finally:
        consumer.close()
    return operations


def names(operations: list[Operation]) -> list[str]:
    return sorted(operation.operation for operation in operations)


@pytest.fixture
def prefix(kafka: str) -> str:
    """Return a prefix of our own; the topics that the client writes exist."""
    prefix = f"cl-{uuid.uuid4().hex[:8]}."
    names = ("operations", "heartbeats", "analyses", "labels", "quality-scores", "remediations")
    for name in names:
        create(kafka, prefix + name)
    return prefix


@pytest.fixture
def topic(prefix: str) -> str:
    return prefix + "operations"


@pytest.fixture
def configured(kafka: str, topic: str) -> Iterator[str]:
    """Return the topic this process publishes to."""
    opwatch.configure(bootstrap=kafka, topic=topic, service="integration")
    yield topic
    opwatch.close()
    current._publisher = None


@pytest.fixture
def script(kafka: str, prefix: str, tmp_path: Path) -> Callable[..., Any]:
    """Run a script as a process of its own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")
    } | {"OPWATCH_KAFKA_BOOTSTRAP": kafka, "OPWATCH_TOPIC_PREFIX": prefix}

    def run(code: str, **more: str) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "script.py"
        file.write_text("import opwatch_client as opwatch\n" + textwrap.dedent(code))
        return subprocess.run(
            [sys.executable, "-X", "dev", str(file)],
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_operations_of_every_kind_arrive_as_the_schema_wants_them(kafka: str, configured: str):
    @opwatch.operation("decorated")
    def decorated() -> None: ...

    decorated()
    with opwatch.operation("good", platform="lever") as op:
        op.confidence = 0.8
        op.cache_hit(ttl_s=60)
    with pytest.raises(ValueError, match="bad ☃"), opwatch.operation("bad"):
        raise ValueError("bad ☃ \ud800")
    with opwatch.operation("odd", platform="\x00") as op:
        op.confidence = float("nan")
    opwatch.record(operation="own", success=True, duration_ms=3)
    before_ms = int(time.time() * 1000)

    assert opwatch.flush(20)

    operations = {operation.operation: operation for operation in read(kafka, configured)}
    assert set(operations) == {"decorated", "good", "bad", "odd", "own"}
    assert (operations["good"].confidence, operations["good"].cache) == (0.8, "hit")
    assert (operations["bad"].success, operations["bad"].error_type) == (False, "ValueError")
    assert operations["bad"].error_message == "bad ☃ ?"
    assert operations["odd"].confidence is None
    assert {operation.service for operation in operations.values()} == {"integration"}
    assert all(0 <= before_ms - o.occurred_at < 60_000 for o in operations.values())
    assert opwatch.stats().published == 5


def test_eight_threads_and_two_loops_publish_each_operation_once(kafka: str, configured: str):
    def work(name: str) -> None:
        async def one() -> None:
            async with opwatch.operation(name):
                await asyncio.sleep(0)

        async def many() -> None:
            for _ in range(50):
                await one()
            assert await opwatch.aflush(20)

        asyncio.run(many())
        asyncio.run(many())

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    operations = read(kafka, configured)
    assert names(operations) == sorted(f"t{n}" for n in range(8) for _ in range(100))
    assert len({operation.id for operation in operations}) == 800


def test_topic_that_takes_less_gets_smaller_arrays(kafka: str):
    topic = f"cl-{uuid.uuid4().hex[:8]}.small"
    create(kafka, topic, **{"max.message.bytes": "20000"})
    opwatch.configure(bootstrap=kafka, topic=topic)
    try:
        for _ in range(400):
            opwatch.record(operation="a", success=True, duration_ms=1)

        assert opwatch.flush(30)

        assert len(read(kafka, topic)) == 400
        assert opwatch.stats().dropped == 0
    finally:
        opwatch.close()
        current._publisher = None


def test_short_script_loses_nothing_at_its_exit(kafka: str, topic: str, script):
    # By name: resolving it while Python exits must need no executor.
    address = kafka.replace("127.0.0.1", "localhost")

    run = script(
        """
        with opwatch.operation("first"):
            pass
        opwatch.record(operation="last", success=True, duration_ms=1)
        """,
        OPWATCH_KAFKA_BOOTSTRAP=address,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert names(read(kafka, topic)) == ["first", "last"]


def test_script_that_ends_by_an_exception_publishes_it(kafka: str, topic: str, script):
    run = script(
        """
        import asyncio
        async def main():
            async with opwatch.operation("parse"):
                raise SystemExit(7)
        asyncio.run(main())
        """
    )

    assert run.returncode == 7
    (operation,) = read(kafka, topic)
    assert operation.error_type == "SystemExit"


def test_script_whose_kafka_is_away_ends_with_one_line(script):
    run = script(
        """
        with opwatch.operation("a"):
            pass
        """,
        OPWATCH_KAFKA_BOOTSTRAP=f"127.0.0.1:{lasting_port()}",
    )

    assert run.returncode == 0
    assert run.stderr.count("cannot publish") == 1
    assert "aiokafka" not in run.stderr
    assert len(run.stderr.splitlines()) <= 2


def test_forked_child_and_parent_each_publish_their_own(kafka: str, topic: str, script):
    run = script(
        """
        import gc, os, sys
        with opwatch.operation("before"):
            pass
        assert opwatch.flush(20)
        opwatch.record(operation="waiting", success=True, duration_ms=1)
        child = os.fork()
        if child == 0:
            assert opwatch.stats().pending == 0
            with opwatch.operation("child"):
                pass
            gc.collect()
            sys.exit(3)  # the whole exit: what it inherited is cleaned up in here
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        for _ in range(3):
            with opwatch.operation("after"):
                pass
            assert opwatch.flush(2)  # the parent's connection lives on
        assert opwatch.stats().failures == 0
        """
    )

    assert run.returncode == 0, run.stderr
    assert names(read(kafka, topic)) == ["after", "after", "after", "before", "child", "waiting"]


def test_spawned_and_forked_workers_of_multiprocessing_publish(kafka: str, topic: str, script):
    run = script(
        """
        import multiprocessing

        def work(name):
            with opwatch.operation(name):
                pass
            assert opwatch.close()

        if __name__ == "__main__":
            with opwatch.operation("parent"):
                pass
            for method in ("fork", "spawn"):
                process = multiprocessing.get_context(method).Process(target=work, args=(method,))
                process.start()
                process.join()
                assert process.exitcode == 0
        """
    )

    assert run.returncode == 0, run.stderr
    assert names(read(kafka, topic)) == ["fork", "parent", "spawn"]


class Forwarder:
    """A port that leads to a broker from `open` on, and may lose an answer on the way."""

    def __init__(self) -> None:
        self.port = lasting_port()
        self._losing = False

    def open(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        listener = socket.create_server(("127.0.0.1", self.port))
        place = (host, int(port))
        threading.Thread(target=self._accept, args=(listener, place), daemon=True).start()

    def lose_the_next_answer(self) -> None:
        """Break the connection on which it would have come."""
        self._losing = True

    def _accept(self, listener: socket.socket, target: tuple[str, int]) -> None:
        while True:
            near, _ = listener.accept()
            try:
                far = socket.create_connection(target)
            except OSError:
                near.close()
                continue
            for source, sink, answers in ((near, far, False), (far, near, True)):
                copying = threading.Thread(target=self._copy, args=(source, sink, answers))
                copying.daemon = True
                copying.start()

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                if answers and self._losing:
                    self._losing = False
                    break
                sink.sendall(content)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class OwnBroker(NamedTuple):
    kafka: LocalKafka
    forwarder: Forwarder
    sasl: str


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """Return a broker that may be killed; it has a SASL port, and is reached by a forwarder."""
    port, controller, sasl = lasting_port(), lasting_port(), lasting_port()
    forwarder = Forwarder()
    listeners = f"PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl}"
    settings = {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": listeners.replace(str(port), str(forwarder.port)),
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": (
            "org.apache.kafka.common.security.plain.PlainLoginModule required"
            ' user_crawler="right-word";'
        ),
    }
    with LocalKafka(tmp_path_factory.mktemp("broker"), port=port, settings=settings) as kafka:
        forwarder.open(kafka.bootstrap)
        yield OwnBroker(kafka, forwarder, f"127.0.0.1:{sasl}")


def test_broker_that_comes_later_gets_what_fitted_into_the_buffer(
    kafka: str, topic: str, caplog: pytest.LogCaptureFixture
):
    forwarder = Forwarder()
    opwatch.configure(bootstrap=f"127.0.0.1:{forwarder.port}", topic=topic, limit=1000)
    try:
        for _ in range(5000):
            with opwatch.operation("a"):
                pass
        assert opwatch.flush(0.5) is False
        assert opwatch.stats().failures >= 1

        forwarder.open(kafka)
        assert opwatch.flush(20)

        stats = opwatch.stats()
        assert stats.published + stats.dropped == 5000
        assert 1000 <= stats.published <= 1500
        assert len(read(kafka, topic)) == stats.published
        assert caplog.text.count("cannot publish") == 1
        assert not [record for record in caplog.records if record.name.startswith("aiokafka")]
    finally:
        opwatch.close()
        current._publisher = None


@pytest.fixture
def own_topic(own: OwnBroker) -> Iterator[str]:
    """Return the topic on a broker of our own that this process publishes to."""
    topic = f"cl-{uuid.uuid4().hex[:8]}.own"
    create(own.kafka.bootstrap, topic)
    opwatch.configure(bootstrap=own.kafka.bootstrap, topic=topic)
    yield topic
    opwatch.close()
    current._publisher = None


def test_operation_whose_acknowledgement_is_lost_is_in_kafka_once(own: OwnBroker, own_topic: str):
    opwatch.record(operation="first", success=True, duration_ms=1)
    assert opwatch.flush(20)

    own.forwarder.lose_the_next_answer()
    opwatch.record(operation="second", success=True, duration_ms=1)

    assert opwatch.flush(20)
    assert not own.forwarder._losing
    assert names(read(own.kafka.bootstrap, own_topic)) == ["first", "second"]


def test_broker_killed_and_started_again_has_each_operation_once(
    own: OwnBroker, own_topic: str, caplog: pytest.LogCaptureFixture
):
    stop = threading.Event()
    recorded = 0

    def host() -> None:
        nonlocal recorded
        while not stop.is_set():
            with opwatch.operation("a"):
                stop.wait(0.005)
            recorded += 1

    opwatch.record(operation="a", success=True, duration_ms=1)
    recorded += 1
    assert opwatch.flush(20)  # connected from here on
    thread = threading.Thread(target=host)
    thread.start()
    try:
        own.kafka.kill()
        with opwatch.operation("a"):
            pass
        assert opwatch.flush(1) is False
        own.kafka.start()
    finally:  # else it would go on recording into the tests that follow
        stop.set()
        thread.join()
    recorded += 1

    assert opwatch.flush(30)

    operations = read(own.kafka.bootstrap, own_topic)
    assert len(operations) == recorded
    assert len({operation.id for operation in operations}) == recorded
    assert opwatch.stats().dropped == 0
    assert caplog.text.count("cannot publish") == 1
    assert "no answer for 5 s" in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("aiokafka")]


def test_sasl_lets_in_who_knows_the_word_and_the_log_never_tells_it(
    own: OwnBroker, own_topic: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")

    def publish(password: str) -> bool:
        opwatch.configure(
            bootstrap=own.sasl,
            topic=own_topic,
            sasl_mechanism="PLAIN",
            username="crawler",
            password=password,
        )
        opwatch.record(operation="a", success=True, duration_ms=1)
        flushed = opwatch.flush(2)
        opwatch.close(1)
        return flushed

    assert publish("wrong-word") is False
    assert publish("right-word") is True

    assert names(read(own.kafka.bootstrap, own_topic)) == ["a"]
    assert "SaslAuthenticationFailed" in caplog.text
    assert "-word" not in caplog.text


def test_topic_that_does_not_exist_is_said_and_waited_for(
    kafka: str, caplog: pytest.LogCaptureFixture
):
    topic = f"cl-{uuid.uuid4().hex[:8]}.later"
    opwatch.configure(bootstrap=kafka, topic=topic)
    try:
        opwatch.record(operation="a", success=True, duration_ms=1)
        assert opwatch.flush(6) is False
        assert "cannot publish" in caplog.text

        create(kafka, topic)

        assert opwatch.flush(20)
        assert len(read(kafka, topic)) == 1
    finally:
        opwatch.close()
        current._publisher = None


def test_examples_of_the_readme_run(kafka: str, topic: str, script):
    readme = (ROOT / "client" / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(examples) == 7

    for example in examples:
        run = script(example)
        assert (run.returncode, run.stderr) == (0, "")

    operations = read(kafka, topic)
    assert names(operations) == ["fetch_page", "index_job", "parse_job_data", "parse_job_data"]
    assert {operation.service for operation in operations} == {None, "crawler"}


def test_defaults_of_the_readmes_table_are_the_clients():
    readme = (ROOT / "client" / "README.md").read_text()

    rows = re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", readme, re.MULTILINE)

    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(current.Settings.__dataclass_fields__)
    assert json.dumps(current.Settings().limit) in [row[2] for row in rows]
