"""What somebody else writes to `partials` neither ends the windows nor stays in their rows."""

import base64
import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faust.types import TP

from agents.folding.windows import WindowsBeat
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.table import TableRows
from agents.measure.operations import FOLDED_OPERATIONS
from agents.runtime.settings import Settings
from schemas.topics import PARTIALS
from streams.measure.window_state import RemovedRecords

MINUTE = 29_833_333
DIGEST = base64.b64encode(b"\0" + np.float32(1.5).tobytes()).decode()
STATS = [[1, 1, 1500, *[0] * 7], 2.25, 1.5, 1.5, DIGEST, [[False, 1.5, "x", None]]]


class Worker:
    """A worker with one partition of `partials`."""

    def __init__(self) -> None:
        settings = Settings(_env_file=None)
        self.tp = TP(settings.topic(PARTIALS), 0)
        self.published: list[Any] = []
        self.packed: dict[bytes, bytes] = {}
        rows = TableRows(SimpleNamespace(of=lambda _: self.packed), "changelog", self)
        self.beat = WindowsBeat(settings, self, lambda: self, rows, FOLDED_OPERATIONS)

    async def publish(self, records: Iterable[Any]) -> None:
        self.published += records

    def count_of(self, _: str) -> int:
        return 8

    def done(self, *_: Any) -> None:
        pass

    async def read(self, value: bytes | None) -> None:
        record = SimpleNamespace(offset=0, timestamp=0, key=b"0", value=value)
        await self.beat.read(self.tp, Chunk(0, 1, [record]))


def partial(row: object = None, **fields: object) -> bytes:
    rows = [row or ["parse", MINUTE, 7, STATS]]
    return json.dumps({"kind": "rows", "source": 0, "block": 0, "rows": rows} | fields).encode()


def changed(place: int, value: object) -> bytes:
    return partial(["parse", MINUTE, 7, [*STATS[:place], value, *STATS[place + 1 :]]])


def packed(means: bytes) -> str:
    return base64.b64encode(means).decode()


GARBAGE = {
    "nothing": None,
    "no json": b"\xff",
    "deep": b'{"kind":"rows","rows":' + b"[" * 100_000,
    "a list": b"[]",
    "another kind": b'{"kind":"x"}',
    "rows of nothing": partial(rows=[[]]),
    "an endless count": changed(0, 1 << 62),
    "a negative count": changed(0, -1),
    "a count beyond any integer": changed(0, 10**40),
    "an endless sum": changed(3, 1e308),
    "no digest": changed(13, ""),
    "a digest of no kind": changed(13, packed(b"\x09\0\0\0\0")),
    "a digest cut off": changed(13, packed(b"\0\0\0")),
    "a digest of NaN": changed(13, packed(b"\0" + np.float32("nan").tobytes())),
    "a large digest": changed(13, packed(b"\0" + bytes(100_000))),
    "many exemplars": changed(14, [[False, 1.5, "x", None]] * 1_000),
    "a minute of no day": partial(["parse", 10**15, 7, STATS]),
    "an offset beyond any": partial(["parse", MINUTE, 10**30, STATS]),
    "a long name": partial(["x" * 5_000, MINUTE, 7, STATS]),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_left_out_and_what_is_told_after_it_counts(name: str) -> None:
    worker = Worker()
    await worker.read(GARBAGE[name])
    await worker.read(partial())
    await worker.beat.beat()
    counts = [json.loads(one.value)["count"] for one in worker.published if b"/1m/" in one.key]
    assert counts == [1]


MISSING = {"source": 0, "first_offset": 10, "count": 15, "since_ms": 0, "until_ms": 60_000}


async def test_what_kafka_removed_is_kept_with_the_rows() -> None:
    worker = Worker()
    await worker.read(json.dumps({"kind": "missing"} | MISSING).encode())
    await worker.read(partial())
    await worker.beat.beat()
    again = Worker()
    again.packed = worker.packed
    again.beat._of(again.tp)
    assert again.beat._of(again.tp)._state.removed == [RemovedRecords(0, 10, 15, 0, 60_000)]


@pytest.mark.parametrize("field", MISSING)
@pytest.mark.parametrize("value", [-(2**63), 2**53 + 1, 2**64, 10**30, 1.5, "1", None])
async def test_what_no_gap_could_say_is_left_out(field: str, value: object) -> None:
    worker = Worker()
    await worker.read(json.dumps({"kind": "missing"} | MISSING | {field: value}).encode())
    await worker.read(partial())
    await worker.beat.beat()
    assert worker.beat._of(worker.tp)._state.removed == []
