"""Follow breaches from their opening to their end."""

from typing import Any, NamedTuple

import orjson

from schemas.breaches import Routing
from schemas.rules import SEVERITIES


class BreachEpisode(NamedTuple):
    """A breach from its opening to its newest revision."""

    id: str
    rule: str
    series: str
    severity: str
    """The gravest so far."""
    opened_ms: int
    resolved_ms: int | None
    why: str
    """Of the newest revision."""
    confirmed: bool
    observed: float | None
    """The worst value so far; threshold, unit, samples and summary are of the same revision."""
    threshold: float | None
    unit: str
    samples: int
    summary: str
    muted: str
    """The time interval that muted it when it opened; empty: none did."""


class BreachEpisodes:
    """The episodes of a log of breaches, by breach id."""

    def __init__(self) -> None:
        self._by_id: dict[str, tuple[int, BreachEpisode]] = {}

    def take(self, value: bytes) -> BreachEpisode:
        """Take a breach record in; return its episode as it is now."""
        body: dict[str, Any] = orjson.loads(value)
        revision, before = self._by_id.get(body["id"], (0, None))
        if before is not None and body["revision"] <= revision:
            return before
        now = _episode(body)
        if before is not None:
            now = _with_the_worst(before, now, body["operator"])
        self._by_id[now.id] = body["revision"], now
        return now

    def all(self) -> list[BreachEpisode]:
        """Return all episodes by the time they opened, then by rule and series."""
        episodes = (episode for _, episode in self._by_id.values())
        return sorted(
            episodes,
            key=lambda it: (it.opened_ms, it.rule, it.series, it.id),
        )


def _episode(body: dict[str, Any]) -> BreachEpisode:
    fields = {name: body[name] for name in BreachEpisode._fields if name != "muted"}
    muted = Routing.model_validate(body["routing"]).muted(body["opened_ms"])
    return BreachEpisode(**fields, muted="" if muted is None else muted.name)


def _with_the_worst(
    before: BreachEpisode, now: BreachEpisode, operator: str | None
) -> BreachEpisode:
    severity = max(before.severity, now.severity, key=SEVERITIES.index)
    worse = now.observed is not None and before.observed is not None
    if worse and operator is not None:
        below = operator.startswith("less")
        worse = now.observed < before.observed if below else now.observed > before.observed  # type: ignore[operator]  # neither is None
    if worse:
        return now._replace(severity=severity)
    return now._replace(
        severity=severity,
        observed=before.observed,
        threshold=before.threshold,
        samples=before.samples,
        summary=before.summary,
    )
