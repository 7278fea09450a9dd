"""Judge whether a metric changed against what it was a span, a day or a week before.

A span of up to an hour trails, and is compared with the one just before:

    |<- before ->|<- now ->|t        window: 5m

Anything longer, and against a day or a week, whole hours are compared, of the published windows:

    |<- before ->| ... |<- now ->|   t        window: 1h, against: day
    9:00     10:00     9:00  10:00   10:25

Nothing is concluded without enough samples on both sides, without all of the windows before, or if
the metric was 0 before: a change in per cent is not defined then.
"""

from typing import NamedTuple

from schemas.numbers import plain
from schemas.rule_kinds import Change
from schemas.spans import MINUTE_MS, as_text
from streams.rules.faults import faults, faults_in_words
from streams.rules.firing import Verdict
from streams.rules.formatting import counted, figure
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind, Measured
from streams.rules.metrics import METRICS
from streams.rules.needed_windows import Needs
from streams.rules.series_state import CHANGED
from streams.rules.threshold_check import Limits

_HOUR = 60
_DAY = 24 * _HOUR
_AGO = {"day": _DAY, "week": 7 * _DAY}
#: Windows are dropped every five minutes, as of the last settled one.
_SLACK = 5


class _Side(NamedTuple):
    """A metric over a span."""

    value: float | None
    """In its unit; None where there is too little to go by."""
    samples: int


class ChangeKind(Kind[Change]):
    """A rule of the kind change."""

    def __init__(self, rule: Change) -> None:
        """Prepare to judge by a rule."""
        super().__init__(rule)
        self._metric = METRICS[rule.metric]
        self._span = rule.window // MINUTE_MS
        self._ago = _AGO.get(rule.against, self._span)
        self._by_hours = rule.against != "previous" or self._span > _HOUR
        self._limits = Limits(rule)
        self.has_levels = bool(rule.tiers)
        self.severities = self._limits.severities
        self.measured = Measured(rule.metric, rule.operator, "%")
        self.samples_of = self._metric.samples_of
        rank = self._metric.rank
        reach = self._span + self._ago + (_HOUR if self._by_hours else 0) + _SLACK
        self.lookback_ms = reach * MINUTE_MS
        if self._by_hours:
            self.needs = Needs(long=reach, hour_ranks=frozenset([rank] if rank else []))
        else:
            self.needs = Needs(short=reach, digests=reach if rank else 0)
        before = {"day": "a day", "week": "a week"}.get(rule.against, as_text(rule.window))
        self._before = f"{before} before"

    def judge(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict on the change, in per cent, of the span that ends last."""
        window = history.at(minute)
        falls = self.rule.operator.startswith("less")
        if self.rule.metric == "throughput" and falls and window is not None and not window.final:
            return None  # the minute is not over: it can only become more
        end = self._end(minute)
        now, before = self._sides(history, end)
        span = self._span + minute + 1 - end
        if now.value is None or not before.value or self._is_configured_anew(history, end):
            return self._limits.not_enough(now.samples, span)
        change = 100 * (now.value - before.value) / before.value
        return self._limits.verdict(change, now.samples, span)

    def _is_configured_anew(self, history: History, end: int) -> bool:
        """Return whether scores were made by several configurations: they cannot be compared."""
        if self.dimension is None:
            return False
        return len(history.configurations(end - self._ago - self._span, end)) > 1

    def _end(self, minute: int) -> int:
        """Return the minute before which the span ends."""
        return (minute + 1) // _HOUR * _HOUR if self._by_hours else minute + 1

    def _sides(self, history: History, end: int) -> tuple[_Side, _Side]:
        return self._side(history, end), self._side(history, end - self._ago)

    def _side(self, history: History, end: int) -> _Side:
        """Return the metric over the span before a minute."""
        metric, span = self._metric, self._span
        sums = history.sums_before(span, end) if self._by_hours else history.sums(span, end - 1)
        samples = metric.samples(sums)
        by_digests = metric.rank is not None and not self._by_hours
        if samples < self.rule.min_samples or not history.is_complete(
            end - span, durations=by_digests
        ):
            return _Side(None, samples)
        if self.rule.metric == "throughput":
            return _Side(samples / (span * 60), samples)
        if self._by_hours and metric.rank is not None:
            return _Side(history.quantile_of_hour(end - _HOUR, metric.rank), samples)
        return _Side(metric.observed(history, sums, span, end - 1), samples)

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return the metric on both sides, null where there is too little to go by."""
        now, before = self._sides(history, self._end(minute))
        sides: Evidence = {"now": now.value, "before": before.value}
        sides["before_samples"] = before.samples
        if self._is_configured_anew(history, self._end(minute)):
            sides[CHANGED] = 1.0
        return sides if self.dimension is None else sides | faults(history, self._span, minute)

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return the change, and the metric with its samples on both sides."""
        metric, span = self._metric, as_text(self.rule.window)
        now, before = evidence.get("now"), evidence.get("before")
        samples = counted(verdict.samples, metric.samples_of)
        samples_before = plain(float(evidence.get("before_samples") or 0))
        about = f"{metric.words} of {series}"
        if verdict.observed is None or not isinstance(now, float) or not isinstance(before, float):
            if evidence.get(CHANGED):
                return f"{about}: the configuration of scores changed, {span} cannot be compared"
            return (
                f"{about}: too few {metric.samples_of} to compare {span} with {self._before},"
                f" {samples}, {samples_before} before"
            )
        moved = "fell" if verdict.observed < 0 else "rose"
        return (
            f"{about} {moved} by {figure(abs(verdict.observed))} %"
            f" ({self._limits.sentence(verdict, '%')}) to {figure(now, metric.unit)} over {span},"
            f" {samples}, from {figure(before, metric.unit)} {self._before}, {samples_before}"
            + faults_in_words(evidence)
        )

    def condition(self) -> str:
        """Return what is compared, the thresholds and what else it takes."""
        return f"{self.rule.metric} against {self._before} {self._limits.condition('%')}"
