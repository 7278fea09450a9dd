"""The client publishes each operation once whatever becomes of the broker."""

import contextlib
import socket
import threading
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import pytest

import opwatch_client as opwatch
from opwatch_client import current
from stack.kafka import LocalKafka
from tests.integration.client.published import create, names, read
from tests.ports import lasting_port


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
