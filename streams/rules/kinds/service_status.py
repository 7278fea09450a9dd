"""Judge whether a service is down, degraded or silent."""

from schemas.rules import SEVERITIES, ServiceStatus
from streams.rules.history import History
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict


def judge(rule: ServiceStatus, seen: History, minute: int) -> Verdict | None:
    """Return the verdict on how it was at the minute's end, or is; None while nobody knows.

    Who is silent is down as well.
    """
    held = seen.at(minute)
    if held is None or held.status in ("", "unknown"):
        return None
    status = held.status
    wanted = status in rule.status or (status == "silent" and "down" in rule.status)
    severity = SEVERITIES.index(rule.severity) if wanted else NO_SEVERITY
    return Verdict(severity, wanted, True, None, 0, None, 1)


def evidence(rule: ServiceStatus, seen: History, minute: int) -> Evidence:  # noqa: ARG001 - one shape
    """Return its status."""
    held = seen.at(minute)
    return {"status": held.status if held else None}
