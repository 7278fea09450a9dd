"""Measure how much faster more workers count the same topic."""

import time
from contextlib import ExitStack

from benchmarks import load
from benchmarks.load import Records
from benchmarks.places import Place
from benchmarks.race import Failed
from benchmarks.worker import started

_DEADLINE_S = 300.0
_LOOK_S = 0.2


def together(place: Place, records: Records, workers: int) -> dict[str, float]:
    """Return the operations that workers count a second together, and what one costs."""
    load.publish(place.bootstrap, place.operations, place.partitions, records)
    with ExitStack() as running:
        many = [
            running.enter_context(started(place, OPWATCH_INSTANCE=f"bench-{number}"))
            for number in range(workers)
        ]
        begun = None
        give_up = time.monotonic() + _DEADLINE_S
        while True:
            samples = [worker.used() for worker in many]
            counted = sum(sample.counted for sample in samples)
            now, cpu_s = time.monotonic(), sum(sample.cpu_s for sample in samples)
            if begun is None and counted:
                begun = (now, counted, cpu_s)
            if counted >= records.total:
                break
            if now > give_up:
                raise Failed(f"{counted:,} of {records.total:,} counted")
            time.sleep(_LOOK_S)
    at, first, cpu_before_s = begun
    events = max(counted - first, 1)
    return {
        "per_s": events / max(now - at, 1e-9),
        "cpu_s_per_million": (cpu_s - cpu_before_s) / events * 1e6,
        "counted_again": counted - records.total,
    }
