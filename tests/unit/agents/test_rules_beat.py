"""The rules' beat: what is no use is counted, Kafka's absence is no silence, nothing is lost."""

from pathlib import Path

import pytest

from agents import metrics
from tests.unit.agents.rules_world import Worker
from tests.unit.streams.rules.worlds import operations

RULES = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 5, window: 1m}
"""


async def test_what_rules_cannot_use_is_counted_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "rules.yaml", RULES, monkeypatch)
    before = metrics.aggregates_refused._value.get()
    await worker.reads(b"{}", b"", operations(5_256_000, 10), operations(0, 10, 9))
    assert metrics.aggregates_refused._value.get() == before + 2
    assert [one.rule for one in worker.breaches] == ["errors"]
