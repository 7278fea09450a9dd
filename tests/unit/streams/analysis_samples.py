"""Analyses, labels and the records that they come in."""

import json
from typing import Any, NamedTuple

from schemas.analyses import Analysis
from schemas.labels import Label

NOW_MS = 1_790_000_000_000


class SampleRecord(NamedTuple):
    """A record as decisions see it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def analysis_fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of an analysis in JSON's types."""
    fields: dict[str, Any] = {
        "id": "a-1",
        "service": "detector",
        "operation": "analyze_job",
        "model": "small",
        "occurred_at": NOW_MS,
        "input": {"hash": "hash-1", "text": "Baker wanted in Berlin."},
        "result": {"label": "likely_real", "score": 0.9, "confidence": 0.8},
        "duration_ms": 1500,
    }
    for name, value in changed.items():
        if isinstance(value, dict):
            value = fields.get(name, {}) | value
        fields[name] = value
    return fields


def analysis(**changed: Any) -> Analysis:
    return Analysis.model_validate_json(json.dumps(analysis_fields(**changed)))


def analysis_record(offset: int = 0, **changed: Any) -> SampleRecord:
    fields = analysis_fields(**changed)
    return SampleRecord(
        offset, NOW_MS, fields["input"]["hash"].encode(), json.dumps(fields).encode()
    )


def label(**changed: Any) -> Label:
    fields = {"analysis": "a-1", "truth": "likely_real", "at": NOW_MS} | changed
    return Label.model_validate(fields)
