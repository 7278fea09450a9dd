"""Describe a labelled analysis, and make bad ones of good ones."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.analyses import Analysis
from streams.quality.assessor import EarlierResult, Truth


@dataclass(frozen=True)
class Case:
    """An analysis, what is known beside it, and the fault in it."""

    name: str
    body: dict[str, Any]
    earlier: tuple[EarlierResult, ...] = ()
    labels: Mapping[str, Truth] = field(default_factory=dict)
    fault: str | None = None
    """The code that a finding must have; None: it is good."""
    dimension: str | None = None
    mentions: str = ""
    """What the finding's sentence must name."""

    @property
    def analysis(self) -> Analysis:
        return Analysis.model_validate(deepcopy(self.body))

    def but(self, name: str, **changes: Any) -> "Case":
        """Return another good case: `fields` and `result` are merged, others replaced."""
        body = deepcopy(self.body)
        fields = changes.pop("fields", {})
        result = changes.pop("result", {})
        source = changes.pop("input", {})
        known = {key: changes.pop(key) for key in ("earlier", "labels") if key in changes}
        body["result"] |= result
        body["result"]["fields"] = body["result"].get("fields", {}) | fields
        body["input"] |= source
        body |= changes
        return replace(self, name=f"{self.name}, {name}", body=body, **known)

    def bad(self, fault: str, dimension: str, mentions: str = "", **changes: Any) -> "Case":
        """Return a case with a planted fault."""
        case = self.but(changes.pop("how", fault), **changes)
        return replace(case, fault=fault, dimension=dimension, mentions=mentions)


def good(name: str, text: str, result: dict[str, Any], **fields: Any) -> Case:
    """Return a good analysis of a text."""
    body = {
        "id": f"id-{name}",
        "service": "tests",
        "operation": "extract",
        "platform": "generic",
        "model": "m-1",
        "occurred_at": 1_772_600_760_000,
        "duration_ms": 1_900.0,
        "input": {"hash": f"hash-{name}", "text": text} | fields.pop("input", {}),
        "result": result,
    }
    return Case(name, body | fields)


def quotes(*texts: str, **by_field: str) -> list[dict[str, Any]]:
    """Return evidence: quotes alone, and quotes for fields."""
    return [{"quote": text} for text in texts] + [
        {"quote": text, "field": name} for name, text in by_field.items()
    ]


def factors(*weighed: tuple[str, str, float]) -> list[dict[str, Any]]:
    return [{"description": d, "direction": way, "weight": w} for d, way, w in weighed]


def before(
    case_offset: int, label: str | None, score: float | None, **fields: str
) -> EarlierResult:
    return EarlierResult(case_offset, f"earlier-{case_offset}", label, score, fields)
