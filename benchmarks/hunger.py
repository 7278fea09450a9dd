"""Measure whether publishing takes a larger share where other programs take the processors."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import load, race
from benchmarks.load import Records
from benchmarks.places import Place
from benchmarks.worker import started

_HOG = "while True: pass"


@contextlib.contextmanager
def hogs() -> Iterator[None]:
    """Keep each processor busy with another program."""
    busy = [
        subprocess.Popen([sys.executable, "-c", _HOG], start_new_session=True)
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for hog in busy:
            hog.kill()
            hog.wait()


def catching_up(place: Place, records: Records) -> dict[str, float]:
    """Count a filled topic; return the speed, and what was published for the processor time."""
    load.publish(place.bootstrap, place.operations, place.partitions, records)
    with started(place) as worker:
        before = worker.used()
        samples = list(worker.samples(records.total))
        revisions = worker.metric("opwatch_aggregates_total")
        beat_s = worker.metric("opwatch_beat_seconds_sum")
    counted = race.figures(samples)
    return {
        "per_s": counted.events_per_s,
        "revisions_a_cpu_s": revisions / max(samples[-1].cpu_s - before.cpu_s, 1e-9),
        "beat_share": beat_s / counted.seconds,
    }
