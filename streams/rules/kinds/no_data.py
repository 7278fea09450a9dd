"""Judge whether a series that used to speak fell silent."""

from schemas.rules import SEVERITIES, NoData
from streams.rules.history import History
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict

_MINUTE_MS = 60_000


def judge(rule: NoData, seen: History, minute: int) -> Verdict | None:
    """Return the verdict on the silence that lasts at the minute's end."""
    span = rule.after // _MINUTE_MS
    silence = seen.silence(minute)
    silent = silence >= span
    severity = SEVERITIES.index(rule.severity) if silent else NO_SEVERITY
    return Verdict(severity, silent, True, 60.0 * max(0, silence), 0, 60.0 * span, span)


def evidence(rule: NoData, seen: History, minute: int) -> Evidence:  # noqa: ARG001 - one shape
    """Return when it last spoke."""
    return {"last_ms": (minute - seen.silence(minute)) * _MINUTE_MS}
