"""Judge whether the success rate degraded, and stayed so for several final windows in a row.

    window    1      2          3         4       5
    rate      99.5   99.5       95        95      99.5
    verdict   stable stable     degrading stable  improving
    in a row                    1         2       0

Against the window before only the first bad one is degrading. Those after it count for as long as
they are worse than what the windows before the first one come to together; more than one, since one
that was good by chance makes all after it look bad.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.rules import SEVERITIES, TrendRule
from streams.measure.sizes import MINUTE_MS, SIZE_MS
from streams.measure.trend import is_worse
from streams.rules.history import History
from streams.rules.series_state import StoredTrend
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict

#: So many windows before the first bad one are what it was like before.
_BEFORE = 6


class _Run(NamedTuple):
    """Bad windows in a row, up to the last one."""

    length: int
    operations: float
    """Operations in the windows before …"""
    failures: float
    """… and how many of them failed."""


_NONE = _Run(0, 0, 0)


def judge(rule: TrendRule, seen: History, minute: int) -> Verdict | None:
    """Return the verdict by the last windows that ended; None before the first one."""
    found = seen.trends(rule.window, minute)
    if not found:
        return None
    last = found[-1]
    length = SIZE_MS[rule.window] // MINUTE_MS
    is_old = minute + 1 - last.end >= 2 * length
    run = _NONE if is_old else _run(found, length)
    violated = run.length >= rule.evaluations
    rate = last.evidence.get("rate")
    baseline = last.evidence.get("baseline_rate")
    if run.operations:
        baseline = 1 - run.failures / run.operations
    return Verdict(
        SEVERITIES.index(rule.severity) if violated else NO_SEVERITY,
        run.length > 0,
        run.length > 0 or (last.verdict != "insufficient_data" and not is_old),
        None if rate is None else 100 * rate,
        int(last.evidence.get("count") or 0),
        None if baseline is None else 100 * baseline,
        length,
    )


def evidence(rule: TrendRule, seen: History, minute: int) -> Evidence:
    """Return what the last window's verdict rests on."""
    found = seen.trends(rule.window, minute)
    return dict(found[-1].evidence) if found else {}


def _run(found: Sequence[StoredTrend], length: int) -> _Run:
    """Return the bad windows in a row that end with the last one."""
    run = _NONE
    for at, one in enumerate(found):
        follows = at > 0 and found[at - 1].end == one.end - length
        if run.length and follows and _goes_on(run, one):
            run = run._replace(length=run.length + 1)
        elif one.verdict == "degrading":
            run = _Run(1, *_before(found[:at], one, length))
        else:
            run = _NONE
    return run


def _goes_on(run: _Run, one: StoredTrend) -> bool:
    before = run.operations, run.failures
    return one.verdict == "degrading" or is_worse(
        before, _counted(one, ""), one.evidence.get("dispersion")
    )


def _before(older: Sequence[StoredTrend], first: StoredTrend, length: int) -> tuple[float, float]:
    """Return operations and failures of the windows in a row before a first bad one."""
    count, failures = _counted(first, "baseline_")
    end = first.end - 2 * length
    for one in reversed(older[:-1][-_BEFORE + 1 :]):
        if one.end != end:
            break
        also, failed = _counted(one, "")
        count, failures, end = count + also, failures + failed, end - length
    return count, failures


def _counted(one: StoredTrend, which: str) -> tuple[float, float]:
    count, rate = one.evidence.get(f"{which}count"), one.evidence.get(f"{which}rate")
    return (0, 0) if not count or rate is None else (count, count * (1 - rate))
