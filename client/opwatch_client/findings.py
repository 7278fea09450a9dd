"""Read findings as they travel."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault of an analysis."""

    code: str
    dimension: str
    message: str
    cost: float
    """How much of the dimension's score it took."""
    field: str | None = None


def parse(body: list[dict[str, Any]]) -> tuple[Finding, ...]:
    """Return findings as they travel."""
    return tuple(
        Finding(
            code=it["code"],
            dimension=it["dimension"],
            message=it["message"],
            cost=it["cost"],
            field=it.get("field"),
        )
        for it in body
    )
