"""Return the score of an analysis, if it is there in time."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

from opwatch_client import current, fitting, wire
from opwatch_client.findings import Finding, parse

WITHIN_S = 0.5
_LONGEST_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class DimensionScore:
    """The score in a dimension: accuracy, performance, reliability or consistency."""

    score: float
    weight: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A dimension that is not in the overall score, and why."""

    dimension: str
    why: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """The quality of an analysis, from 0 to 1."""

    analysis: str
    overall: float | None
    """None where nothing could be judged."""
    dimensions: Mapping[str, DimensionScore]
    left_out: tuple[LeftOut, ...]
    actions: tuple[str, ...]
    """Recommended, the most urgent first."""

    @property
    def findings(self) -> list[Finding]:
        """Return the findings of all dimensions, the costliest first."""
        found = [it for dimension in self.dimensions.values() for it in dimension.findings]
        return sorted(found, key=lambda finding: -finding.cost)


async def score(analysis: str, within: float = WITHIN_S) -> Score | None:
    """Return the score of an analysis that this process published; None if it is not there in time.

    Never raises. The first call makes this process read the topic of scores.

    Args:
        analysis: the id that `analysis(…)` returned.
        within: how many seconds to wait at most.
    """
    publisher = current.publisher()
    try:
        key = fitting.utf8(analysis)
        within_s = wire.number(within, _LONGEST_S)
        if within_s is None:
            publisher.bad("within")
            within_s = WITHIN_S
        awaited = publisher.wait_for_score(key)
        try:
            if awaited.done():
                record = awaited.result()
            else:
                async with asyncio.timeout(within_s):
                    record = await asyncio.wrap_future(awaited)
        finally:
            publisher.scores.forget(key, awaited)
        return None if record is None else _parsed(record)
    except TimeoutError:
        return None
    except Exception:  # noqa: BLE001 - measuring must never break what it measures
        publisher.bad("score")
        return None


def _parsed(record: bytes) -> Score:
    body = json.loads(record)
    return Score(
        analysis=body["analysis"],
        overall=body["overall"],
        dimensions={
            name: DimensionScore(
                score=it["score"], weight=it["weight"], findings=parse(it["findings"])
            )
            for name, it in body["dimensions"].items()
        },
        left_out=tuple(
            LeftOut(dimension=it["dimension"], why=it["why"], detail=it["detail"])
            for it in body["left_out"]
        ),
        actions=tuple(body["actions"]),
    )
