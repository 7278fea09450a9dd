"""Say whether a silence can be, and what its matchers can ask of a breach."""

from schemas.breaches import Breach
from schemas.commands import Silence
from schemas.matchers import MAX_MATCHERS, MAX_TEXT, pattern_problem
from streams.alerting.timers import MAX_SILENCES


def problem(silence: Silence, now_ms: int, standing: int) -> str | None:
    """Return why a silence cannot be, None if it can.

    Args:
        silence: as it is asked for.
        now_ms: the clock.
        standing: how many silences there are already.
    """
    if standing >= MAX_SILENCES:
        return f"There are {standing} silences, and at most {MAX_SILENCES} can be: end some first."
    if silence.end_ms <= silence.start_ms:
        return "It ends before it starts."
    if silence.end_ms <= now_ms:
        return "It is over already."
    if len(silence.matchers) > MAX_MATCHERS:
        return f"It has {len(silence.matchers)} matchers: at most {MAX_MATCHERS}."
    if sum(len(one.label) + len(one.value) for one in silence.matchers) > MAX_TEXT:
        return f"Its matchers are longer than {MAX_TEXT} characters."
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
