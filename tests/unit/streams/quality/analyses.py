"""Make analyses for tests: what is not named is unremarkable."""

from typing import Any

from schemas.analyses import Analysis


def analysis(result: dict[str, Any] | None = None, **fields: Any) -> Analysis:
    text = fields.pop("text", None)
    source = {"hash": "h1", "text": text} | fields.pop("input", {})
    plain = {
        "id": "a1",
        "service": "ghost-jobs",
        "operation": "analyze",
        "occurred_at": 1_772_600_760_000,
        "duration_ms": 1_500.0,
        "input": source,
        "result": result or {},
    }
    return Analysis.model_validate(plain | fields)
