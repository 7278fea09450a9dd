"""Minute windows of operations by platform on Faust, with `take`: one row set per key and batch.

A plain table keyed by (platform, minute), in memory with a changelog, the default store. Faust's
own `.tumbling()` cannot be set from within `take`: there is no current event there (Faust issue
497). `take_events` is `take` that keeps the partition, which a row's changelog record needs.
For throughput, as its documentation says: uvloop and orjson ("Extensions"), and a stream buffer
larger than the default (settings, `stream_buffer_maxsize`), which otherwise stalls the fetcher.
"""

import sys
from pathlib import Path

import faust
from fastdigest import TDigest
from progress import (
    BOOTSTRAP,
    GROUP,
    MINUTE_MS,
    PARTITIONS,
    STATE,
    TOPIC,
    Progress,
)

app = faust.App(
    GROUP,
    broker=f"kafka://{BOOTSTRAP}",
    datadir=Path(STATE),
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=65_536,
    web_enabled=False,
)
operations = app.topic(TOPIC, key_serializer="raw", value_serializer="json")
# A row is (count, successes, digest); the digest pickles as its bytes.
rows = app.Table("windows", schema=faust.Schema(key_serializer="json", value_serializer="pickle"))

progress = Progress()


@app.agent(operations, concurrency=1)
async def count(stream):
    async for events in stream.take_events(1000, within=0.2):
        touched = {}
        for event in events:
            operation = event.value
            minute = operation["occurred_at"] // MINUTE_MS * MINUTE_MS
            key = (operation["platform"], minute)
            if key not in touched:
                touched[key] = (event.message.partition, [], [])
            _, successes, durations = touched[key]
            successes.append(operation["success"])
            durations.append(operation["duration_ms"])
        for key, (partition, successes, durations) in touched.items():
            before, succeeded, digest = rows.data.get(key) or (0, 0, TDigest())
            digest.batch_update(durations)
            row = (before + len(durations), succeeded + sum(successes), digest)
            rows.data[key] = row
            rows.send_changelog(partition, key, row, "json", "pickle")
        progress.counted += len(events)
        if progress.done:
            progress.finish(
                {key: (row[0], row[1], row[2].quantile(0.95)) for key, row in rows.data.items()}
            )


if __name__ == "__main__":
    sys.argv[1:] = ["--loop", "uvloop", "worker", "--without-web", "--loglevel", "warn"]
    app.main()
