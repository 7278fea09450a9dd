"""Judge whether the success rate degraded in several final windows in a row."""

from schemas.rules import SEVERITIES, TrendRule
from streams.rules.seen import Seen
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict
from streams.sizes import MINUTE_MS, SIZE_MS


def judge(rule: TrendRule, seen: Seen, minute: int) -> Verdict | None:
    """Return the verdict by the last windows that ended; None before the first one."""
    found = seen.trends(rule.window, minute)
    if not found:
        return None
    last = found[-1]
    length = SIZE_MS[rule.window] // MINUTE_MS
    ends = [last.end - back * length for back in range(rule.evaluations)]
    is_old = minute + 1 - last.end >= 2 * length
    degrading = {one.end for one in found if one.verdict == "degrading"}
    violated = not is_old and all(end in degrading for end in ends)
    rate = last.evidence.get("rate")
    baseline = last.evidence.get("baseline_rate")
    return Verdict(
        SEVERITIES.index(rule.severity) if violated else NO_SEVERITY,
        last.end in degrading and not is_old,
        last.verdict != "insufficient_data" and not is_old,
        None if rate is None else 100 * rate,
        int(last.evidence.get("count") or 0),
        None if baseline is None else 100 * baseline,
        length,
    )


def evidence(rule: TrendRule, seen: Seen, minute: int) -> Evidence:
    """Return what the last window's verdict rests on."""
    found = seen.trends(rule.window, minute)
    return dict(found[-1].evidence) if found else {}
