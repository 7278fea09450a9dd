"""Run librdkafka's mock cluster in its own process; it stores nothing."""

import signal
import subprocess
import sys
from pathlib import Path

from confluent_kafka import Producer

from stack import processes
from stack.errors import StackError
from stack.processes import Process


def start(log: Path) -> tuple[str, Process]:
    """Start the mock cluster; return its bootstrap address and its process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "stack.mock"],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    assert child.stdout is not None
    bootstrap = child.stdout.readline().strip()
    process = processes.identify(child.pid)
    if not bootstrap or process is None:
        raise StackError(f"the mock cluster did not start; see {log}")
    return bootstrap, process


def main() -> None:
    """Print the mock cluster's address and run it until SIGTERM."""
    # Blocked before librdkafka starts its threads, so that the wait below gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(producer.list_topics(timeout=10).brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
