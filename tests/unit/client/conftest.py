from collections.abc import Iterator

import pytest

from opwatch_client import current
from tests.unit.client.fakes import FakeKafka, FakeTopics, publisher


@pytest.fixture
def topics() -> FakeTopics:
    """Return what this process reads, instead of Kafka, during one test."""
    return FakeTopics()


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch, topics: FakeTopics) -> Iterator[FakeKafka]:
    """Return what this process publishes to, instead of Kafka, during one test."""
    fake = FakeKafka()
    ours = publisher(fake, topics, service="unit")
    monkeypatch.setattr(current, "_publisher", ours)
    yield fake
    fake.come_back()
    ours.close(5)
