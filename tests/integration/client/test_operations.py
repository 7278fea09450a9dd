"""The client publishes a process's operations to a real Kafka, each once."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

import opwatch_client as opwatch
from opwatch_client import current
from tests.integration.client.published import create, names, read


@pytest.fixture
def configured(kafka: str, topic: str) -> Iterator[str]:
    """Return the topic this process publishes to."""
    opwatch.configure(bootstrap=kafka, topic=topic, service="integration")
    yield topic
    opwatch.close()
    current._publisher = None


def test_operations_of_every_kind_arrive_as_the_schema_wants_them(kafka: str, configured: str):
    @opwatch.operation("decorated")
    def decorated() -> None: ...

    decorated()
    with opwatch.operation("good", platform="lever") as op:
        op.confidence = 0.8
        op.cache_hit(ttl_s=60)
    with pytest.raises(ValueError, match="bad ☃"), opwatch.operation("bad"):
        raise ValueError("bad ☃ \ud800")
    with opwatch.operation("odd", platform="\x00") as op:
        op.confidence = float("nan")
    opwatch.record(operation="own", success=True, duration_ms=3)
    before_ms = int(time.time() * 1000)

    assert opwatch.flush(20)

    operations = {operation.operation: operation for operation in read(kafka, configured)}
    assert set(operations) == {"decorated", "good", "bad", "odd", "own"}
    assert (operations["good"].confidence, operations["good"].cache) == (0.8, "hit")
    assert (operations["bad"].success, operations["bad"].error_type) == (False, "ValueError")
    assert operations["bad"].error_message == "bad ☃ ?"
    assert operations["odd"].confidence is None
    assert {operation.service for operation in operations.values()} == {"integration"}
    assert all(0 <= before_ms - o.occurred_at < 60_000 for o in operations.values())
    assert opwatch.stats().published == 5


def test_eight_threads_and_two_loops_publish_each_operation_once(kafka: str, configured: str):
    def work(name: str) -> None:
        async def one() -> None:
            async with opwatch.operation(name):
                await asyncio.sleep(0)

        async def many() -> None:
            for _ in range(50):
                await one()
            assert await opwatch.aflush(20)

        asyncio.run(many())
        asyncio.run(many())

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    operations = read(kafka, configured)
    assert names(operations) == sorted(f"t{n}" for n in range(8) for _ in range(100))
    assert len({operation.id for operation in operations}) == 800


def test_topic_that_takes_less_gets_smaller_arrays(kafka: str):
    topic = f"cl-{uuid.uuid4().hex[:8]}.small"
    create(kafka, topic, **{"max.message.bytes": "20000"})
    opwatch.configure(bootstrap=kafka, topic=topic)
    try:
        for _ in range(400):
            opwatch.record(operation="a", success=True, duration_ms=1)

        assert opwatch.flush(30)

        assert len(read(kafka, topic)) == 400
        assert opwatch.stats().dropped == 0
    finally:
        opwatch.close()
        current._publisher = None


def test_topic_that_does_not_exist_is_said_and_waited_for(
    kafka: str, caplog: pytest.LogCaptureFixture
):
    topic = f"cl-{uuid.uuid4().hex[:8]}.later"
    opwatch.configure(bootstrap=kafka, topic=topic)
    try:
        opwatch.record(operation="a", success=True, duration_ms=1)
        assert opwatch.flush(6) is False
        assert "cannot publish" in caplog.text

        create(kafka, topic)

        assert opwatch.flush(20)
        assert len(read(kafka, topic)) == 1
    finally:
        opwatch.close()
        current._publisher = None
