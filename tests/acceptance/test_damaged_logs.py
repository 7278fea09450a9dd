"""A log that a broker cut, or cannot read, is noticed, and what is written then counts."""

import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.test_codecs import operations
from tests.acceptance.test_poison import latest, total
from tests.acceptance.test_unreadable import LENGTH_AT, batches, segment_of, send
from tests.integration.command_line import Cli
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

RECORDS, CUT_AT = 100, 70


def cut(segment: Path, offset: int) -> None:
    """Cut a log before the batch that begins with an offset."""
    (place,) = (at for base, at, _ in batches(segment) if base == offset)
    with segment.open("r+b") as file:
        file.truncate(place)
    for index in (*segment.parent.glob("*.index"), *segment.parent.glob("*.timeindex")):
        index.unlink()  # the broker makes them anew


class Case:
    """A log that is cut, and the worker that reads it."""

    def __init__(self, kafka: LocalKafka, folder: Path, eventually: Any, ends: ExitStack) -> None:
        self._kafka, self._eventually = kafka, eventually
        folder.mkdir()
        cli = Cli(kafka.bootstrap, folder)
        cli.environment["OPWATCH_PARTITIONS"] = "1"
        assert cli("topics", "create").returncode == 0
        self.topic, self._prefix, self._port = cli.prefix + "operations", cli.prefix, lasting_port()
        options = {"OPWATCH_SESSION_TIMEOUT_S": "6", "OPWATCH_HTTP_PORT": str(self._port)}
        self.workers = Workers(kafka.bootstrap, cli.prefix, 1, folder, **options)
        self._sent = 0
        ends.callback(lambda: print(folder.name, (folder / "w.log").read_text()[-6000:]))
        ends.callback(self.workers.close)

    def start(self) -> None:
        self.workers.start("w")
        for i in range(RECORDS // 10):
            self.send(f"before-{i}", 10)

    def send(self, name: str, count: int) -> None:
        send(self._kafka.bootstrap, self.topic, operations(name, count))
        self._sent += count

    def await_all_counted(self) -> None:
        standing = oracle.Standing(self._kafka.bootstrap, self._prefix)
        self._eventually(lambda: standing.total() == self._sent)

    def letters(self) -> list[Any]:
        return oracle.read_topic(self._kafka.bootstrap, self._prefix + "dead-letters")

    def assert_the_cut_is_said(self) -> None:
        (letter,) = self.letters()
        headers = dict(letter.headers())
        assert headers["reason"] == b"lost"
        assert f"Kafka cut the log at offset {CUT_AT}".encode() in headers["detail"]
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
            assert f"{self.topic}/0" in answer.read().decode()

    def assert_counted_once(self) -> None:
        """Hold when a worker has begun again."""
        self.await_all_counted()
        assert len(self.letters()) == 1
        assert self.workers.ended == []


def test_a_log_that_was_cut_is_said_and_what_is_written_then_counts(tmp_path, eventually):
    """Three logs of one broker, for it has to be stopped to cut them."""
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka, ExitStack() as ends:
        names = ("read on", "read later", "longer when it is read")
        cases = [Case(kafka, tmp_path / name, eventually, ends) for name in names]
        away = cases[1:]
        for each in cases:
            each.start()
        for each in cases:
            each.await_all_counted()
        for each in away:
            each.workers.end("w", 15)
        kafka.stop()
        for each in cases:
            cut(segment_of(kafka.directory, each.topic), CUT_AT)
        kafka.start()
        for each, count in zip(cases, (20, 20, 50), strict=True):
            each.send("then", count)
        for each in away:
            each.workers.start("w")
        for each in cases:
            each.await_all_counted()
            each.send("last", 5)
            each.await_all_counted()
            each.assert_the_cut_is_said()
        for each in cases:
            each.workers.restart("w")
            each.send("again", 5)
        for each in cases:
            each.assert_counted_once()


def test_what_the_broker_cannot_read_is_named_and_then_passed_over(tmp_path, eventually):
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        cli = Cli(kafka.bootstrap, tmp_path)
        cli.environment["OPWATCH_PARTITIONS"] = "1"
        assert cli("topics", "create").returncode == 0
        topic, port = cli.prefix + "operations", lasting_port()
        options = {"OPWATCH_SESSION_TIMEOUT_S": "6", "OPWATCH_HTTP_PORT": str(port)}
        workers = Workers(kafka.bootstrap, cli.prefix, 1, tmp_path, **options)
        sent = 0

        def send_more(count: int) -> None:
            nonlocal sent
            for _ in range(count // 10):
                send(kafka.bootstrap, topic, operations(f"from-{sent}", 10))
                sent += 10

        def counted() -> int:
            return total(latest(kafka.bootstrap, cli.prefix))

        def lost() -> int:
            letters = oracle.read_topic(kafka.bootstrap, cli.prefix + "dead-letters")
            places = [dict(letter.headers()) for letter in letters]
            assert all(b"CORRUPT_MESSAGE" in place["detail"] for place in places)
            return sum(int(place["last_offset"]) + 1 - int(place["offset"]) for place in places)

        def is_unready() -> bool:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
            except urllib.error.HTTPError as error:
                return "CORRUPT_MESSAGE" in error.read().decode()
            return False

        try:
            workers.start("w")
            send_more(100)
            eventually(lambda: counted() == 100)
            segment = segment_of(kafka.directory, topic)
            with segment.open("r+b") as file:  # shorter than a batch can be
                file.seek(next(at for base, at, _ in batches(segment) if base == 90) + LENGTH_AT)
                file.write((5).to_bytes(4, "big"))
            send_more(10)
            eventually(is_unready)
            send_more(200)
            eventually(lambda: lost() and counted() + lost() == sent, 150)
            assert counted() > 100
            assert workers.ended == []
        finally:
            workers.close()
            print((tmp_path / "w.log").read_text()[-6000:])
