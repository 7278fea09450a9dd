"""Publish operations over eight days of event time, some late, some bad, at a steady pace."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator

from confluent_kafka import KafkaException, Producer

DAY_MS = 86_400_000
PLATFORMS = ("linkedin", "lever", "ashby")
#: This platform's failures have more types than are counted.
FLOODED = "ashby"
ERROR_TYPES = (None, "", "nul\0", "Zeitüberschreitung", *(f"Error{n}" for n in range(12)))
OPERATIONS = ("parse_job_data", "score")
POISON = (
    b"not json",
    b'{"id": "x"}',
    b"[]",
    b'{"id":"x","operation":"p","occurred_at":1,"success":true,"duration_ms":NaN}',
    b'{"id":"x","operation":"p","occurred_at":1,"success":true,"duration_ms":1}',
)


def events(rng: random.Random, count: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, dict]]:
    """Yield (record timestamp, operation); one in fifty happened up to 50 minutes before."""
    for i in range(count):
        stamp_ms = from_ms + (to_ms - from_ms) * i // count
        late_ms = rng.randrange(3_000_000) if rng.random() < 0.02 else rng.randrange(2_000)
        platform, success = rng.choice(PLATFORMS), rng.random() < 0.95
        error_type = rng.choice(ERROR_TYPES)
        if platform == FLOODED and rng.random() < 0.3:
            error_type = f"Error{rng.getrandbits(32)}"
        yield (
            stamp_ms,
            {
                "id": f"{rng.getrandbits(64):016x}",
                "operation": rng.choice(OPERATIONS),
                "platform": platform,
                "occurred_at": stamp_ms - late_ms,
                "success": success,
                "error_type": None if success else error_type,
                "duration_ms": round(rng.lognormvariate(4, 0.7), 3),
                "confidence": rng.choice((None, round(rng.random(), 3))),
                "cache": rng.choice((None, "hit", "miss")),
            },
        )


CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Workload:
    """One seed's records: event time runs from eight days ago to now.

    Producers of every codec send them, each step another one, one of them in transactions; now and
    then what it sends is aborted, and sent again by another.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, seed: int, count: int) -> None:
        common = {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "log_level": 2,
            "topic.metadata.refresh.interval.ms": 1_000,  # partitions may be added
        }
        self._producers = [Producer(common | {"compression.type": codec}) for codec in CODECS]
        self._transactions = common | {"transactional.id": topic, "compression.type": "lz4"}
        self._producer = self._producers[0]
        self.aborted = 0
        """Transactions that count nowhere."""
        self._topic = topic
        self.partitions = partitions
        """Records go to these; may grow while it runs."""
        self._rng = random.Random(seed)
        self._count = count
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Publish no more."""
        self._stopped.set()

    def run(self, seconds: float) -> None:
        """Publish everything, in `seconds` about."""
        steps = 100
        now_ms = int(time.time() * 1000)
        history = list(events(self._rng, self._count, now_ms - 8 * DAY_MS, now_ms))
        self._transactional = self._begin_transactions()
        for step in range(steps):
            began = time.monotonic()
            share = history[step * len(history) // steps : (step + 1) * len(history) // steps]
            chance = self._rng.random()
            if chance < 0.2:
                self._in_transaction(share, commit=False)
            if chance < 0.4:
                self._in_transaction(share, commit=True)
            else:
                self._producer = self._rng.choice(self._producers)
                self._publish(share)
                self._producer.flush(30)
            if self._stopped.wait(max(0.0, seconds / steps - (time.monotonic() - began))):
                return

    def _begin_transactions(self) -> Producer:
        """Return a transactional producer; what one before it left open is aborted."""
        producer = Producer(self._transactions)
        _insist(producer.init_transactions)
        return producer

    def _in_transaction(self, share: list[tuple[int, dict]], *, commit: bool) -> None:
        """Publish in a transaction, again where the broker ended it meanwhile.

        librdkafka may be left in a state that it cannot go on from when the broker is killed: then
        another producer takes over. Whether that transaction counts, the log says, and the oracle
        reads the log.
        """
        while True:
            self._producer = self._transactional
            try:
                self._producer.begin_transaction()
                self._publish(share)
                self._producer.flush(30)
                _insist(
                    self._producer.commit_transaction
                    if commit
                    else self._producer.abort_transaction
                )
            except KafkaException:
                self._transactional = self._begin_transactions()
                self.aborted += 1
            else:
                self.aborted += not commit
                return

    def _publish(self, share: list[tuple[int, dict]]) -> None:
        rng = self._rng
        batch: list[dict] = []
        for stamp_ms, event in share:
            batch.append(event)
            if len(batch) < rng.choice((1, 1, 1, 5)):
                continue
            value = json.dumps(batch if len(batch) > 1 else batch[0]).encode()
            self._send(value, stamp_ms)
            batch = []
            if rng.random() < 0.001:
                self._send(rng.choice(POISON), stamp_ms)
        if batch:
            self._send(json.dumps(batch).encode(), share[-1][0])

    def _send(self, value: bytes, stamp_ms: int) -> None:
        partition = self._rng.randrange(self.partitions)
        self._producer.produce(self._topic, value, partition=partition, timestamp=stamp_ms)
        self._producer.poll(0)


def _insist(end: Callable[[float], None], tries: int = 3) -> None:
    """Begin or end transactions, also where the broker restarts meanwhile.

    Raises:
        KafkaException: the broker refuses it, or does not answer for minutes.
    """
    for left in reversed(range(tries)):
        try:
            end(60)
        except KafkaException as error:
            if not (left and error.args[0].retriable()):
                raise
        else:
            return
