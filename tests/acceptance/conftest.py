"""Give acceptance tests workers of their own on the shared broker."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cluster import Workers
from tests.acceptance.running import Running

PARTITIONS = 2


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name[:40]}-{time.time_ns() % 10**9}."


@pytest.fixture
def worker(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Workers]:
    """Run one worker, ready."""
    workers = Workers(kafka, prefix, PARTITIONS, tmp_path, OPWATCH_SESSION_TIMEOUT_S="6")
    workers.start("w0")
    yield workers
    workers.close()
    print((tmp_path / "w0.log").read_text()[-4000:])


@pytest.fixture
def eventually() -> Callable[..., Any]:
    def check(probe: Callable[[], Any], seconds: float = 120) -> Any:
        """Return what the probe returns once that is true."""
        until = time.monotonic() + seconds
        while not (found := probe()):
            assert time.monotonic() < until, "it did not come true"
            time.sleep(0.5)
        return found

    return check


@pytest.fixture
def running(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Running]:
    found = Running(kafka, prefix, tmp_path)
    yield found
    found.close()
    for number in range(len(found.processes)):
        print(number, found.log(number)[-3000:])
