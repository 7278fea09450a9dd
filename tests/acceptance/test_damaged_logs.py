"""A log that a broker cut, or cannot read, is noticed, and what is written then counts."""

import urllib.error
import urllib.request
from pathlib import Path

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


@pytest.mark.parametrize(
    ("is_away", "then"),
    [
        pytest.param(False, 20, id="while a worker runs"),
        pytest.param(True, 20, id="while no worker runs"),
        pytest.param(True, 50, id="and it is longer than before when one reads again"),
    ],
)
def test_a_log_that_was_cut_is_said_and_what_is_written_then_counts(
    is_away, then, tmp_path, eventually
):
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        cli = Cli(kafka.bootstrap, tmp_path)
        cli.environment["OPWATCH_PARTITIONS"] = "1"
        assert cli("topics", "create").returncode == 0
        topic, port = cli.prefix + "operations", lasting_port()
        options = {"OPWATCH_SESSION_TIMEOUT_S": "6", "OPWATCH_HTTP_PORT": str(port)}
        workers = Workers(kafka.bootstrap, cli.prefix, 1, tmp_path, **options)

        def counted(count: int) -> None:
            eventually(lambda: total(latest(kafka.bootstrap, cli.prefix)) == count, 90)

        try:
            workers.start("w")
            for i in range(RECORDS // 10):
                send(kafka.bootstrap, topic, operations(f"before-{i}", 10))
            counted(RECORDS)
            if is_away:
                workers.end("w", 15)
            kafka.stop()
            cut(segment_of(kafka.directory, topic), CUT_AT)
            kafka.start()
            send(kafka.bootstrap, topic, operations("then", then))
            if is_away:
                workers.start("w")
            counted(RECORDS + then)
            send(kafka.bootstrap, topic, operations("last", 5))
            counted(RECORDS + then + 5)
            (letter,) = oracle.read_topic(kafka.bootstrap, cli.prefix + "dead-letters")
            headers = dict(letter.headers())
            assert headers["reason"] == b"lost"
            assert f"Kafka cut the log at offset {CUT_AT}".encode() in headers["detail"]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert f"{topic}/0" in answer.read().decode()
            # Counted once, also when somebody begins again.
            workers.restart("w")
            send(kafka.bootstrap, topic, operations("again", 5))
            counted(RECORDS + then + 10)
            assert len(oracle.read_topic(kafka.bootstrap, cli.prefix + "dead-letters")) == 1
            assert workers.ended == []
        finally:
            workers.close()
            print((tmp_path / "w.log").read_text()[-6000:])


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
            eventually(lambda: counted() == 100, 90)
            segment = segment_of(kafka.directory, topic)
            with segment.open("r+b") as file:  # shorter than a batch can be
                file.seek(next(at for base, at, _ in batches(segment) if base == 90) + LENGTH_AT)
                file.write((5).to_bytes(4, "big"))
            send_more(10)
            eventually(is_unready, 60)
            send_more(200)
            eventually(lambda: lost() and counted() + lost() == sent, 150)
            assert counted() > 100
            assert workers.ended == []
        finally:
            workers.close()
            print((tmp_path / "w.log").read_text()[-6000:])
