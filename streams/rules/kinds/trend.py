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

from schemas.rule_kinds import TrendRule
from schemas.rules import SEVERITIES
from schemas.spans import MINUTE_MS, as_text
from streams.measure.trend import is_worse
from streams.measure.window_times import SIZE_MS
from streams.rules.firing import NO_SEVERITY, Verdict
from streams.rules.formatting import counted, figure
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind, Measured
from streams.rules.needed_windows import Needs
from streams.rules.series_state import CHANGED, StoredTrend

#: This many windows before the first bad one are what it was like before.
_BEFORE = 6


class _Run(NamedTuple):
    """Bad windows in a row, up to the last one."""

    length: int
    operations: float
    """Operations in the windows before …"""
    failures: float
    """… and how many of them failed."""


_NONE = _Run(0, 0, 0)


class TrendKind(Kind[TrendRule]):
    """A rule of the kind trend."""

    measured = Measured("success_rate", "less_than", "%")

    def __init__(self, rule: TrendRule) -> None:
        """Prepare to judge by a rule."""
        super().__init__(rule)
        self._words = "success rate"
        if self.dimension is not None:
            self.measured = Measured(rule.metric, "less_than", "%")
            self._words = f"share of results of good {self.dimension} quality"
        self._length = SIZE_MS[rule.window] // MINUTE_MS
        self.needs = Needs(trends=frozenset({rule.window}))
        self.lookback_ms = SIZE_MS[rule.window] * (rule.evaluations + 1)

    def judge(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict by the last windows that ended; None before the first one."""
        found = history.trends(self.rule.window, minute)
        if not found:
            return None
        last, length = found[-1], self._length
        is_old = minute + 1 - last.end >= 2 * length
        run = _NONE if is_old else _run(found, length)
        violated = run.length >= self.rule.evaluations
        rate = last.evidence.get("rate")
        baseline = last.evidence.get("baseline_rate")
        if run.operations:
            baseline = 1 - run.failures / run.operations
        return Verdict(
            SEVERITIES.index(self.rule.severity) if violated else NO_SEVERITY,
            run.length > 0,
            run.length > 0 or (last.verdict != "insufficient_data" and not is_old),
            None if rate is None else 100 * rate,
            int(last.evidence.get("count") or 0),
            None if baseline is None else 100 * baseline,
            length,
        )

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return what the last window's verdict rests on."""
        found = history.trends(self.rule.window, minute)
        return dict(found[-1].evidence) if found else {}

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return the rate before and now."""
        span = as_text(verdict.span * MINUTE_MS)
        operations = counted(verdict.samples, self.samples_of)
        if evidence.get(CHANGED):
            return f"{self._words} of {series}: the configuration of scores changed over {span}"
        if verdict.observed is None or verdict.threshold is None:
            return f"{series}: too few {self.samples_of} to tell a trend over {span}, {operations}"
        moved = "fell" if verdict.severity >= 0 else "moved"
        return (
            f"{self._words} of {series} {moved} from {figure(verdict.threshold)} % to"
            f" {figure(verdict.observed)} % over {span}, {operations}"
        )

    def condition(self) -> str:
        """Return how many windows have to be bad."""
        return f"degrading over {self.rule.window}, {self.rule.evaluations}× in a row"


def _run(found: Sequence[StoredTrend], length: int) -> _Run:
    """Return the bad windows in a row that end with the last one."""
    run = _NONE
    for at, trend in enumerate(found):
        if trend.evidence.get(CHANGED):
            run = _NONE  # nothing after a change of configuration compares with what was before
            continue
        follows = at > 0 and found[at - 1].end == trend.end - length
        if run.length and follows and _goes_on(run, trend):
            run = run._replace(length=run.length + 1)
        elif trend.verdict == "degrading":
            run = _Run(1, *_before(found[:at], trend, length))
        else:
            run = _NONE
    return run


def _goes_on(run: _Run, trend: StoredTrend) -> bool:
    before = run.operations, run.failures
    return trend.verdict == "degrading" or is_worse(
        before, _counts(trend, ""), trend.evidence.get("dispersion")
    )


def _before(older: Sequence[StoredTrend], first: StoredTrend, length: int) -> tuple[float, float]:
    """Return operations and failures of the windows in a row before a first bad one."""
    count, failures = _counts(first, "baseline_")
    end = first.end - 2 * length
    for trend in reversed(older[:-1][-_BEFORE + 1 :]):
        if trend.end != end or trend.evidence.get(CHANGED):
            break
        more, failed = _counts(trend, "")
        count, failures, end = count + more, failures + failed, end - length
    return count, failures


def _counts(trend: StoredTrend, which: str) -> tuple[float, float]:
    count, rate = trend.evidence.get(f"{which}count"), trend.evidence.get(f"{which}rate")
    return (0, 0) if not count or rate is None else (count, count * (1 - rate))
