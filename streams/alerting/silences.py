"""Decide whether a silence covers a breach."""

import re
from functools import lru_cache

from schemas.breaches import Breach
from schemas.commands import Matcher, Silence

MAX_PATTERN = 200


def problem(silence: Silence, now_ms: int) -> str | None:
    """Return why a silence cannot be, None if it can."""
    if silence.end_ms <= silence.start_ms:
        return "It ends before it starts."
    if silence.end_ms <= now_ms:
        return "It is over already."
    for matcher in silence.matchers:
        if matcher.operator in ("=~", "!~"):
            if len(matcher.value) > MAX_PATTERN:
                return f"The pattern of {matcher.label} is longer than {MAX_PATTERN} characters."
            try:
                _compiled(matcher.value)
            except re.error as error:
                return f"The pattern of {matcher.label} is none: {error}."
    return None


def labels_of(breach: Breach) -> dict[str, str]:
    """Return what matchers can ask of: the labels, the rule, the severity, the series."""
    own = {"rule": breach.rule, "severity": breach.severity, "series": breach.series}
    return {"kind": breach.kind, "fingerprint": breach.fingerprint} | breach.labels | own


def covers(matchers: list[Matcher], labels: dict[str, str]) -> bool:
    """Return whether all matchers hold; a label that is not there is empty."""
    return all(_holds(matcher, labels.get(matcher.label, "")) for matcher in matchers)


def _holds(matcher: Matcher, value: str) -> bool:
    match matcher.operator:
        case "=":
            return value == matcher.value
        case "!=":
            return value != matcher.value
        case "=~":
            return _compiled(matcher.value).fullmatch(value) is not None
        case "!~":
            return _compiled(matcher.value).fullmatch(value) is None


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
