from collections.abc import Iterator

import pytest

from opwatch_client import current
from tests.unit.client.fakes import FakeKafka, publisher


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKafka]:
    """Return what this process publishes to, instead of Kafka, during one test."""
    fake = FakeKafka()
    ours = publisher(fake, service="unit")
    monkeypatch.setattr(current, "_publisher", ours)
    yield fake
    fake.come_back()
    ours.close(5)
