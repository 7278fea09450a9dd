"""Measure what operations of a million platforms do to a worker: each has its own."""

import json
import threading
import time
from itertools import pairwise

from confluent_kafka import Producer

from benchmarks.places import Place, records
from benchmarks.race import Failed
from benchmarks.worker import started

_DEADLINE_S = 400.0
#: How long after that all may take to be in aggregates, and how often that is looked up.
_PUBLISHED_S, _LOOK_S = 300.0, 10.0
_EVERYTHING = b"*/1m/"


def distinct_platforms(place: Place, platforms: int) -> dict[str, float]:
    """Publish an operation of each platform as fast as Kafka takes them, to a running worker."""
    memory_mb = 0.0
    with started(place) as worker:
        worker.ready_after()
        begun_ms = time.time() * 1000
        began = time.monotonic()
        publishing = threading.Thread(target=_publish, args=(place, platforms))
        publishing.start()
        counted = 0
        while counted < platforms and time.monotonic() - began < _DEADLINE_S:
            used = worker.used()
            memory_mb, counted = max(memory_mb, used.rss_mb), used.counted
            time.sleep(0.5)
        counting_s = time.monotonic() - began
        publishing.join()
        counts, give_up = 0, time.monotonic() + _PUBLISHED_S
        while counts < platforms and time.monotonic() < give_up:
            time.sleep(_LOOK_S)
            memory_mb = max(memory_mb, worker.used().rss_mb)
            counts, published_ms = _everything(place, platforms)
    if not published_ms:
        raise Failed(f"`*` has no aggregate of {counted:,} operations")
    pauses = [later - sooner for sooner, later in pairwise([begun_ms, *published_ms])]
    return {
        "platforms": platforms,
        "platforms_rss_mb": memory_mb,
        "platforms_counted_s": counting_s,
        "platforms_published_s": (published_ms[-1] - begun_ms) / 1000,
        "platforms_missing": platforms - counts,
        "platforms_pause_s": max(pauses) / 1000,
    }


def _publish(place: Place, platforms: int) -> None:
    producer = Producer({"bootstrap.servers": place.bootstrap, "linger.ms": 20})
    form = (
        b'{"id":"%016x","operation":"parse","platform":"board-%07d","occurred_at":%d,'
        b'"success":true,"duration_ms":12.5}'
    )
    for number in range(platforms):
        value = form % (number, number, int(time.time() * 1000))
        while True:
            try:
                producer.produce(place.operations, value, partition=number % place.partitions)
            except BufferError:
                producer.poll(0.2)
            else:
                break
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(120)


def _everything(place: Place, upto: int) -> tuple[int, list[int]]:
    """Return what the minutes of `*` count, and when each revision came until they had it all."""
    revisions = sorted(
        (message.timestamp()[1], message.key(), json.loads(message.value())["count"])
        for message in records(place, "aggregates")
        if message.key().startswith(_EVERYTHING) and message.value()
    )
    counts: dict[bytes, int] = {}
    published_ms = []
    for at_ms, minute, count in revisions:
        if sum(counts.values()) < upto:
            published_ms.append(at_ms)
        counts[minute] = max(counts.get(minute, 0), count)
    return sum(counts.values()), published_ms
