"""Minute windows of operations by platform on Bytewax, as its windowing guide writes them.

For throughput: `KafkaSource` itself, without the error branch of `kop.input`; a source batch is
decoded in one call (`flat_map_batch`); `ordered=False`, since a count does not care for order
(bytewax.operators.windowing, fold_window). State is in memory; no recovery store, the default.
Runs by `python -m bytewax.run bytewax_flow:flow`, one worker.
"""

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from fastdigest import TDigest
from progress import BOOTSTRAP, MINUTE_MS, TOPIC, Progress

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

progress = Progress()
windows: dict[tuple[str, int], tuple[int, int, float]] = {}


class Row:
    """A window so far."""

    __slots__ = ("count", "digest", "successes")

    def __init__(self) -> None:
        self.count = 0
        self.successes = 0
        self.digest = TDigest()


def decode(messages):
    """Return (platform, (when, success, duration)) of each message of a source batch."""
    found = []
    for message in messages:
        operation = orjson.loads(message.value)
        when = datetime.fromtimestamp(operation["occurred_at"] / 1000, UTC)
        value = (when, operation["success"], operation["duration_ms"])
        found.append((operation["platform"], value))
    return found


def fold(row, value):
    row.count += 1
    row.successes += value[1]
    row.digest.update(value[2])
    progress.counted += 1
    return row


def merge(left, right):
    left.count += right.count
    left.successes += right.successes
    left.digest += right.digest
    return left


class Windows(StatelessSinkPartition):
    """Keep the closed windows, and report them when all are there."""

    def write_batch(self, items):
        for platform, (window_id, row) in items:
            key = (platform, window_id * MINUTE_MS)
            windows[key] = (row.count, row.successes, row.digest.quantile(0.95))

    def close(self):
        if progress.done:
            progress.finish(windows)


class WindowsSink(DynamicSink):
    def build(self, _step_id, _worker_index, _worker_count):
        return Windows()


flow = Dataflow("bench")
messages = op.input("operations", flow, KafkaSource([BOOTSTRAP], [TOPIC], tail=False))
keyed = op.flat_map_batch("decode", messages, decode)
folded = win.fold_window(
    "windows",
    keyed,
    win.EventClock(lambda value: value[0], wait_for_system_duration=timedelta(seconds=10)),
    win.TumblingWindower(length=timedelta(minutes=1), align_to=EPOCH),
    Row,
    fold,
    merge,
    ordered=False,
)
op.output("out", folded.down, WindowsSink())
