"""Follow breaches from their opening to their end."""

from typing import Any, NamedTuple

import orjson

from schemas.rules import SEVERITIES


class Episode(NamedTuple):
    """A breach's life, as far as it was told."""

    id: str
    rule: str
    series: str
    severity: str
    """The gravest it had."""
    opened_ms: int
    resolved_ms: int | None
    why: str
    """Of what was told last."""
    confirmed: bool
    observed: float | None
    """The worst that was told, and what stands beside it there."""
    threshold: float | None
    unit: str
    samples: int
    summary: str

    @property
    def what(self) -> tuple[str, str, int]:
        """What makes two rule files' breaches the same one."""
        return self.rule, self.series, self.opened_ms


class Episodes:
    """The breaches of a log, the newest revision of each."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Episode]] = {}

    def take(self, value: bytes) -> Episode:
        """Take a breach record in; return its breach as it is now."""
        body: dict[str, Any] = orjson.loads(value)
        revision, before = self._known.get(body["id"], (0, None))
        if before is not None and body["revision"] <= revision:
            return before
        now = _told(body)
        if before is not None:
            now = _with_the_worst(before, now, body["operator"])
        self._known[now.id] = body["revision"], now
        return now

    def all(self) -> list[Episode]:
        """Return all breaches by the time they opened, then rule and series."""
        found = (episode for _, episode in self._known.values())
        return sorted(found, key=lambda it: (it.opened_ms, it.rule, it.series, it.id))


def _told(body: dict[str, Any]) -> Episode:
    return Episode(
        id=body["id"],
        rule=body["rule"],
        series=body["series"],
        severity=body["severity"],
        opened_ms=body["opened_ms"],
        resolved_ms=body["resolved_ms"],
        why=body["why"],
        confirmed=body["confirmed"],
        observed=body["observed"],
        threshold=body["threshold"],
        unit=body["unit"],
        samples=body["samples"],
        summary=body["summary"],
    )


def _with_the_worst(before: Episode, now: Episode, operator: str | None) -> Episode:
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
