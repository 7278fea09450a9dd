"""Judge final windows by rules, in the plainest way there is, to compare the workers with."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

MINUTE_MS = 60_000
UNKNOWN_AFTER = 5


class Rule(NamedTuple):
    """What the oracle knows of a rule of the file."""

    name: str
    dimensions: frozenset[str]
    span: int
    severity_of: Callable[[list[dict[str, Any]]], str | None]
    """The gravest severity that the final windows of a span stand for, by its tiers."""
    hold: int = 0
    keep: int = 0


class Episode(NamedTuple):
    rule: str
    series: str
    opened_ms: int
    resolved_ms: int | None


def error_rate(windows: list[dict[str, Any]]) -> float | None:
    count = sum(one["count"] for one in windows)
    return 100 * sum(one["failures"] for one in windows) / count if count else None


def p95(windows: list[dict[str, Any]]) -> float | None:
    samples = [
        centroid["m"]
        for one in windows
        for centroid in one["digest"]["centroids"]
        for _ in range(round(centroid["c"]))
    ]
    return float(np.percentile(samples, 95)) if samples else None


def finals(aggregates: Iterable[dict[str, Any]]) -> dict[tuple[str, frozenset[str]], dict]:
    """Return the last final minute of each series, by (name, dimensions) and start."""
    found: dict[tuple[str, frozenset[str]], dict[int, dict[str, Any]]] = defaultdict(dict)
    for one in aggregates:
        if one["kind"] != "operations" or one["window"]["size"] != "1m" or not one["final"]:
            continue
        minute = one["window"]["start_ms"] // MINUTE_MS
        known = found[_series(one["series"])].get(minute)
        if known is None or one["revision"] >= known["revision"]:
            found[_series(one["series"])][minute] = one
    return found


def _series(fields: dict[str, Any]) -> tuple[str, frozenset[str]]:
    name, dimensions = fields["operation"], set()
    if fields["operation"] != "*":
        dimensions.add("operation")
    for label in ("platform", "confidence"):
        if fields[label] is not None:
            name += f'{{{label}="{fields[label]}"}}'
            dimensions.add(label)
    return name, frozenset(dimensions)


def episodes(rules: list[Rule], aggregates: Iterable[dict[str, Any]]) -> set[Episode]:
    """Return what opens and resolves; what is open when the windows end has no end."""
    found: set[Episode] = set()
    for (series, dimensions), minutes in finals(aggregates).items():
        for rule in rules:
            if rule.dimensions == dimensions:
                found |= set(_episodes(rule, series, minutes))
    return found


def _episodes(rule: Rule, series: str, minutes: dict[int, dict]) -> Iterable[Episode]:
    begun = opened = well = None
    judged = min(minutes)
    for minute in range(min(minutes), max(minutes) + 1):
        if minute not in minutes:  # says nothing; five of them are forgotten before
            if minute - judged >= UNKNOWN_AFTER:
                begun = None
            continue
        judged = minute
        span = [minutes[at] for at in range(minute - rule.span + 1, minute + 1) if at in minutes]
        if rule.severity_of(span) is not None:
            well = None
            begun = minute if begun is None else begun
            if opened is None and minute - begun >= rule.hold:
                opened = minute
            continue
        begun = None
        if opened is None:
            continue
        well = minute if well is None else well
        if minute - well >= rule.keep:
            yield Episode(rule.name, series, opened * MINUTE_MS, minute * MINUTE_MS)
            opened = well = None
    if opened is not None:
        yield Episode(rule.name, series, opened * MINUTE_MS, None)
