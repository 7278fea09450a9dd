"""Name what analyses are made of, and read those that were published."""

import json
from typing import Any

import opwatch_client as opwatch
from schemas.analyses import Analysis
from tests.unit.client.fakes import FakeKafka

NOW_MS = 1_790_000_000_000
GOOD: dict[str, Any] = {"operation": "analyze_job", "duration_ms": 1.0, "text": "Baker wanted"}


def published(kafka: FakeKafka) -> list[Analysis]:
    assert opwatch.flush(5)
    return [Analysis.model_validate_json(json.dumps(analysis)) for analysis in kafka.analyses]
