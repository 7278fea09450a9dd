"""Minute windows of operations by platform on Quix Streams, as its windowing guide writes them.

`Count` and `Sum` are its own. Its store (RocksDB, with a changelog; both are the defaults) takes
JSON values, so the digest is kept as text between two events. Keeping every duration and making
the digest as the window closes (its `Collector`) was as fast, and grows with the events.
"""

from base64 import b64decode, b64encode

from fastdigest import TDigest
from progress import BOOTSTRAP, EVENTS, GROUP, STATE, TOPIC, Progress
from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum
from quixstreams.dataframe.windows.aggregations import Aggregator

progress = Progress()
windows: dict[tuple[str, int], tuple[int, int, float]] = {}


class Sketch(Aggregator):
    """Fold a column into a digest, stored as text."""

    def initialize(self):
        return b64encode(TDigest(100).to_bytes()).decode()

    def agg(self, old, new, timestamp):  # noqa: ARG002  (Aggregator's signature)
        digest = TDigest.from_bytes(b64decode(old))
        digest.update(new[self.column])
        return b64encode(digest.to_bytes()).decode()

    def result(self, value):
        return value  # asked for at every event: the quantile is taken once, of the closed window


def keep(value, key, _timestamp, _headers):
    """Keep a closed window for the report."""
    digest = TDigest.from_bytes(b64decode(value["durations"]))
    row = (value["count"], value["successes"], digest.quantile(0.95))
    windows[key.decode(), value["start"]] = row


def counted(_topic, _partition, _offset):
    progress.counted += 1
    if progress.counted == EVENTS:
        progress.finish(windows)
        app.stop()


app = Application(
    broker_address=BOOTSTRAP,
    consumer_group=GROUP,
    state_dir=STATE,
    auto_offset_reset="earliest",
    auto_create_topics=True,
    on_message_processed=counted,
    loglevel="WARNING",
)
operations = app.topic(TOPIC, value_deserializer="json", key_deserializer="bytes")
(
    app.dataframe(operations)
    .tumbling_window(duration_ms=60_000, grace_ms=10_000)
    .agg(count=Count(), successes=Sum("success"), durations=Sketch("duration_ms"))
    .final()
    .update(keep, metadata=True)
)

if __name__ == "__main__":
    app.run()
