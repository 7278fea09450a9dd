"""Report a peer's progress: JSON lines on stdout, ten times a second, from a thread."""

import json
import os
import sys
import threading
import time

BOOTSTRAP = os.environ.get("BENCH_BOOTSTRAP", "127.0.0.1:9092")
TOPIC = os.environ.get("BENCH_TOPIC", "operations")
PARTITIONS = int(os.environ.get("BENCH_PARTITIONS", "4"))
EVENTS = int(os.environ.get("BENCH_EVENTS", "0"))
GROUP = os.environ.get("BENCH_GROUP", "bench")
STATE = os.environ.get("BENCH_STATE", "state")

MINUTE_MS = 60_000


class Progress:
    """The counts so far: the peer adds to them, the thread reports them."""

    def __init__(self) -> None:
        self.counted = 0
        threading.Thread(target=self._report, daemon=True).start()

    @property
    def done(self) -> bool:
        return self.counted >= EVENTS

    def finish(self, rows: dict[tuple[str, int], tuple[int, int, float]]) -> None:
        """Report the end and the windows: (platform, start) to (count, successes, p95)."""
        say({"counted": self.counted})
        say({"windows": {f"{platform}|{start}": row for (platform, start), row in rows.items()}})

    def _report(self) -> None:
        while not self.done:
            say({"counted": self.counted})
            time.sleep(0.1)


def say(line: object) -> None:
    # Not sys.stdout: Faust replaces it with its logger.
    sys.__stdout__.write(json.dumps(line) + "\n")
    sys.__stdout__.flush()
