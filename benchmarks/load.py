"""Make the records of a run, the same for all programs, and publish them."""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.topics import OPERATIONS

MINUTE_MS = 60_000
_NAMED = ("linkedin", "indeed", "glassdoor", "greenhouse", "lever", "workday", "ashby", "generic")
_SUCCESS_RATE = 0.93
_CHUNK = 10_000
# Odd, so that i -> i * _SCATTER is one to one modulo 2^128: an id looks random and is i's own.
_SCATTER = 0x9E3779B97F4A7C15F39CC0605CEDC835
_CACHE = (b"null", b'"hit"', b'"miss"')
_OUTCOME = (b'false,"error_type":"TimeoutError"', b"true")

Windows = dict[str, tuple[int, int, float]]


@dataclass(frozen=True, kw_only=True)
class Records:
    """Which operations, how many in a record, and at which event times.

    Event i happens at `start_ms` + i minutes / `per_minute`. A smaller `events` gives a prefix of
    the same events.
    """

    events: int
    start_ms: int
    per_minute: int = 600_000
    operations: int = 1
    platforms: int = 8
    per_record: int = 1
    taking_turns: bool = False
    """Use each (operation, platform) in turn, rather than a random platform."""
    closing: bool = True
    """End with an event per platform two minutes later, which lets all windows close."""
    seed: int = 1

    @property
    def total(self) -> int:
        """All events, the closing ones included."""
        return self.events + (self.platforms if self.closing else 0)

    @property
    def closing_ms(self) -> int:
        last = self.start_ms + (self.events - 1) * MINUTE_MS // self.per_minute
        return last // MINUTE_MS * MINUTE_MS + 2 * MINUTE_MS


def near_now(events: int, per_minute: int = 600_000) -> int:
    """Return the latest start, a full minute, that leaves no event in the future."""
    span_ms = events * MINUTE_MS // per_minute
    return (int(time.time() * 1000) - span_ms) // MINUTE_MS * MINUTE_MS - 2 * MINUTE_MS


def platform_name(index: int) -> str:
    return _NAMED[index] if index < len(_NAMED) else f"board-{index:05d}"


def operation_name(index: int) -> str:
    return "parse_job_data" if index == 0 else f"parse_{index:03d}"


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    when: np.ndarray
    operation: np.ndarray
    platform: np.ndarray
    success: np.ndarray
    duration: np.ndarray
    confidence: np.ndarray
    cache: np.ndarray
    first: int


def _chunks(records: Records) -> Iterator[_Chunk]:
    for first in range(0, records.events, _CHUNK):
        rng = np.random.default_rng((records.seed, first))
        drawn = rng.integers(0, records.platforms, _CHUNK)
        chunk = {
            "success": rng.random(_CHUNK) < _SUCCESS_RATE,
            "duration": rng.lognormal(5.0, 0.6, _CHUNK).round(3),
            "confidence": rng.random(_CHUNK).round(3),
            "cache": rng.integers(0, len(_CACHE), _CHUNK),
        }
        index = np.arange(first, first + _CHUNK)
        chunk["when"] = records.start_ms + index * MINUTE_MS // records.per_minute
        leaf = index % (records.operations * records.platforms)
        chunk["platform"] = leaf % records.platforms if records.taking_turns else drawn
        chunk["operation"] = leaf // records.platforms
        if not records.taking_turns:
            chunk["operation"] %= records.operations
        size = min(_CHUNK, records.events - first)
        yield _Chunk(first=first, **{name: values[:size] for name, values in chunk.items()})


def values_of(records: Records) -> Iterator[tuple[int, int, bytes]]:
    """Yield each event as (platform index, epoch ms, JSON)."""
    names = [platform_name(i).encode() for i in range(records.platforms)]
    operations = [operation_name(i).encode() for i in range(records.operations)]
    form = (
        b'{"version":1,"id":"%032x","operation":"%s","platform":"%s","occurred_at":%d,'
        b'"success":%s,"duration_ms":%.3f,"confidence":%.3f,"cache":%s,"service":"job-parser"}'
    )
    for chunk in _chunks(records):
        columns = (
            chunk.platform,
            chunk.when,
            chunk.operation,
            chunk.success,
            chunk.duration,
            chunk.confidence,
            chunk.cache,
        )
        number = chunk.first
        for platform, when, operation, success, duration, confidence, cache in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            value = form % (
                number * _SCATTER % (1 << 128),
                operations[operation],
                names[platform],
                when,
                _OUTCOME[success],
                duration,
                confidence,
                _CACHE[cache],
            )
            number += 1
            yield platform, when, value
    if records.closing:
        for platform, name in enumerate(names):
            identity = (records.events + platform) * _SCATTER % (1 << 128)
            when = records.closing_ms
            value = form % (identity, operations[0], name, when, b"true", 100.0, 0.9, b"null")
            yield platform, when, value


def expected(records: Records) -> Windows:
    """Return the minute windows by platform: "platform|start" to (count, successes, p95).

    Computed from the columns, not from the JSON; the closing events are left out.
    """
    durations: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    successes: dict[tuple[int, int], int] = defaultdict(int)
    for chunk in _chunks(records):
        window = chunk.when // MINUTE_MS * records.platforms + chunk.platform
        order = np.argsort(window, kind="stable")
        numbers, firsts = np.unique(window[order], return_index=True)
        for number, mine in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            minute, platform = divmod(number, records.platforms)
            durations[platform, minute].append(chunk.duration[mine])
            successes[platform, minute] += int(chunk.success[mine].sum())
    windows = {}
    for (platform, minute), parts in durations.items():
        values = np.concatenate(parts)
        row = (len(values), successes[platform, minute], float(np.percentile(values, 95)))
        windows[f"{platform_name(platform)}|{minute * MINUTE_MS}"] = row
    return windows


def create_topic(bootstrap: str, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 4})
    new = NewTopic(topic, partitions, 1, config=dict(OPERATIONS.config))
    try:
        admin.create_topics([new])[topic].result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def publish(bootstrap: str, topic: str, partitions: int, records: Records) -> float:
    """Create the topic, publish the records with their events' times, return the seconds taken.

    Single events are keyed by platform, in partition (platform's number modulo partitions), so
    that partitions are equally full and nobody has to repartition. Arrays mix platforms and go
    to the partitions in turn.
    """
    create_topic(bootstrap, topic, partitions)
    failures: list[KafkaError] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "compression.type": "none",
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 200_000,
            "error_cb": failures.append,
            "log_level": 4,
        }
    )

    def send(value: bytes, key: bytes | None, partition: int, when: int) -> None:
        while True:
            try:
                producer.produce(topic, value, key, partition, timestamp=when)
            except BufferError:
                producer.poll(0.5)
            else:
                return

    begun = time.monotonic()
    keys = [platform_name(i).encode() for i in range(records.platforms)]
    if records.per_record == 1:
        for sent, (platform, when, value) in enumerate(values_of(records)):
            send(value, keys[platform], platform % partitions, when)
            if sent % 10_000 == 0:
                producer.poll(0)
    else:
        for turn, (when, value) in enumerate(_arrays(records)):
            send(value, None, turn % partitions, when)
    left = producer.flush(60)
    if left:
        raise RuntimeError(f"{left} records were not published: {failures[-1:]}")
    return time.monotonic() - begun


def _arrays(records: Records) -> Iterator[tuple[int, bytes]]:
    """Yield records of `per_record` events as (last event's time, JSON array)."""
    held: list[bytes] = []
    when = 0
    for _, when, value in values_of(records):
        held.append(value)
        if len(held) == records.per_record:
            yield when, b"[" + b",".join(held) + b"]"
            held.clear()
    if held:
        yield when, b"[" + b",".join(held) + b"]"


def main() -> None:
    """Publish records by hand: `python -m benchmarks.load --topic bench-x.operations`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--platforms", type=int, default=8)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--per-record", type=int, default=1, help="1: single events; 100: arrays")
    options = parser.parse_args()
    records = Records(
        events=options.events,
        start_ms=near_now(options.events),
        platforms=options.platforms,
        per_record=options.per_record,
    )
    bootstrap = os.environ.get("OPWATCH_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
    seconds = publish(bootstrap, options.topic, options.partitions, records)
    print(f"{records.total:,} events in {seconds:.1f} s: {records.total / seconds:,.0f}/s")


if __name__ == "__main__":
    main()
