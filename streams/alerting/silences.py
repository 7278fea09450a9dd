"""Say whether a silence can be, and what its matchers can ask of a breach."""

from schemas.breaches import Breach
from schemas.commands import Silence
from schemas.matchers import pattern_problem


def problem(silence: Silence, now_ms: int) -> str | None:
    """Return why a silence cannot be, None if it can."""
    if silence.end_ms <= silence.start_ms:
        return "It ends before it starts."
    if silence.end_ms <= now_ms:
        return "It is over already."
    for matcher in silence.matchers:
        if matcher.operator in ("=~", "!~"):
            why = pattern_problem(matcher.value)
            if why is not None:
                return f"The pattern of {matcher.label} {why}."
    return None


def labels_of(breach: Breach) -> dict[str, str]:
    """Return what matchers can ask of: the labels, the rule, the severity, the series."""
    own = {"rule": breach.rule, "severity": breach.severity, "series": breach.series}
    return {"kind": breach.kind, "fingerprint": breach.fingerprint} | breach.labels | own
