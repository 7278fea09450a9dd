"""Batches that are broken in the log are passed over, said once, and end nobody."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Producer

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.test_codecs import operations
from tests.acceptance.test_poison import latest, total
from tests.integration.command_line import Cli
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]

PARTITIONS = 1
BATCHES, RECORDS = 9, 10
CODEC_AT, CRC_AT, LENGTH_AT, MAGIC_AT = 22, 17, 8, 16


def batches(segment: Path) -> list[tuple[int, int, int]]:
    """Return of each batch its first offset, where it stands, and how many bytes it has."""
    data, at, found = segment.read_bytes(), 0, []
    while at < len(data):
        base, length = struct.unpack_from(">qi", data, at)
        found.append((base, at, length + 12))
        at += length + 12
    return found


def change(segment: Path, place: int, byte: int, *, sign: bool = False, at: int = 0) -> None:
    """Change a byte of the batch that begins with an offset; make its checksum right if asked."""
    data = bytearray(segment.read_bytes())
    _, where, size = next(one for one in batches(segment) if one[0] == at)
    data[where + place] ^= byte
    if sign:
        crc = calc_crc32c(bytes(data[where + 21 : where + size]))
        data[where + CRC_AT : where + 21] = struct.pack(">I", crc)
    segment.write_bytes(data)


#: How a batch is broken: of every second one of `operations`.
BREAKS: tuple[Callable[[Path, int], None], ...] = (
    lambda segment, at: change(segment, 70, 0xFF, at=at),  # its checksum does not match
    lambda segment, at: change(segment, CODEC_AT, 0x07, sign=True, at=at),  # codec 7
    lambda segment, at: change(segment, CODEC_AT, 0x03, sign=True, at=at),  # lz4 over what is not
    lambda segment, at: change(segment, 60, 0x08, sign=True, at=at),  # another number of records
)


def send(kafka: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 1000, "acks": "all"})
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush(30)


def segment_of(folder: Path, topic: str) -> Path:
    (found,) = (folder / "data" / f"{topic}-0").glob("*.log")
    return found


def test_broken_batches_of_every_topic_are_passed_over(tmp_path, eventually):
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        cli = Cli(kafka.bootstrap, tmp_path)
        cli.environment["OPWATCH_PARTITIONS"] = str(PARTITIONS)
        assert cli("topics", "create").returncode == 0
        prefix = cli.prefix
        options = {"OPWATCH_SESSION_TIMEOUT_S": "6"}
        roles = {
            role: Workers(kafka.bootstrap, prefix, PARTITIONS, tmp_path, role=role, **options)
            for role in ("measure", "alert")
        }
        try:
            roles["measure"].start("m")
            roles["alert"].start("a")
            send(kafka.bootstrap, prefix + "operations", operations("first", RECORDS))
            eventually(lambda: total(latest(kafka.bootstrap, prefix)) == RECORDS)
            roles["measure"].end("m", 15)
            roles["alert"].end("a", 15)
            for i in range(1, BATCHES):
                values = operations(str(i), RECORDS)
                send(kafka.bootstrap, prefix + "operations", values)
            for topic in ("heartbeats", "commands", "breaches", "partials", "aggregates"):
                send(kafka.bootstrap, prefix + topic, [b"broken"] * 3)
            send(kafka.bootstrap, prefix + "dead-letters", [b"broken"])
            kafka.stop()

            broken = 0
            for i, break_ in enumerate(BREAKS):
                break_(segment_of(kafka.directory, prefix + "operations"), (2 * i + 1) * RECORDS)
                broken += 1
            changelog = prefix + "measure-rules-changelog"  # the windows would lack rows
            for topic in (
                *(prefix + name for name in ("heartbeats", "commands", "breaches")),
                *(prefix + name for name in ("partials", "aggregates", "dead-letters")),
                changelog,
            ):
                segment = segment_of(kafka.directory, topic)
                # Its checksum: who does not look at it, as our reader of aggregates, reads on.
                change(segment, CRC_AT, 0xFF, at=batches(segment)[-1][0])
            kafka.start()

            roles["measure"].start("m2")
            roles["alert"].start("a2")
            good = (BATCHES - broken) * RECORDS
            eventually(lambda: total(latest(kafka.bootstrap, prefix)) >= good, 240)
            expected = broken + 6
            keys = eventually(lambda: letters(cli, expected))
            assert len(keys) == len(set(keys)) == expected
            operations_letters = [key for key in keys if key.startswith(prefix + "operations/")]
            assert operations_letters == [
                f"{prefix}operations/0/{(2 * i + 1) * RECORDS}/unreadable_batch"
                for i in range(broken)
            ]
            assert f"{changelog}/0/" in " ".join(keys)
            assert total(latest(kafka.bootstrap, prefix)) == good
            send(kafka.bootstrap, prefix + "operations", operations("last", RECORDS))
            eventually(lambda: total(latest(kafka.bootstrap, prefix)) == good + RECORDS)
            listed = cli("deadletters", "list")
            assert "cannot be read" in listed.stderr
            assert "Traceback" not in listed.stderr + listed.stdout
            assert cli("deadletters", "show", keys[0]).returncode == 0
            assert "holds no record" in cli("deadletters", "redrive", operations_letters[0]).stderr
            assert all(workers.ended == [] for workers in roles.values())
            for log in tmp_path.glob("?2.log"):
                assert "Traceback" not in log.read_text()
        finally:
            for workers in roles.values():
                workers.close()


def letters(cli: Cli, expected: int) -> list[str] | None:
    listed = cli("deadletters", "list", "--json", "--reason", "unreadable_batch")
    keys = [json.loads(line)["key"] for line in listed.stdout.splitlines()]
    return keys if len(keys) >= expected else None


def test_a_bomb_is_one_dead_letter_and_takes_little_memory(
    kafka, prefix, worker, eventually, tmp_path
):
    producer = Producer(
        {
            "bootstrap.servers": kafka,
            "compression.type": "gzip",
            "message.max.bytes": 400_000_000,
            "linger.ms": 50,
        }
    )
    topic = prefix + "operations"
    eventually(lambda: topic in producer.list_topics(timeout=10).topics)
    before = resident_mb(worker)
    send(kafka, topic, operations("before", 10))
    producer.produce(topic, bytes(300_000_000), partition=0)
    producer.flush(120)
    send(kafka, topic, operations("after", 10))
    eventually(lambda: total(latest(kafka, prefix)) == 20)
    (letter,) = oracle.read_topic(kafka, prefix + "dead-letters")
    assert dict(letter.headers())["reason"] == b"unreadable_batch"
    assert worker.ended == []
    peak = resident_mb(worker, "VmHWM")
    assert peak - before < 250, f"{before} MB, then up to {peak}"


def resident_mb(worker: Workers, name: str = "VmRSS") -> int:
    status = Path(f"/proc/{worker.pid('w0')}/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) // 1024
