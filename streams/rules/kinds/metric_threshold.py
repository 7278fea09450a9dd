"""Judge whether a metric over a trailing window is past a threshold."""

from collections.abc import Iterator

from schemas.rule_kinds import MetricThreshold
from schemas.spans import MINUTE_MS, as_text
from streams.rules.aggregate_reader import AggregateRecord, QualityRecord
from streams.rules.faults import FINDING, RESULT, faults, faults_in_words, named
from streams.rules.firing import Verdict
from streams.rules.formatting import counted, figure
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind, Measured
from streams.rules.metrics import METRICS
from streams.rules.needed_windows import FIVES_UP_TO, MINUTES_UP_TO, needs_of
from streams.rules.series_state import SeriesState
from streams.rules.stored_window import ResultExemplar, failures_by_type_of, results_of
from streams.rules.threshold_check import Limits
from streams.rules.window_sums import total

_FIVE, _HOUR = 5, 60
_P95 = 0.95


class MetricThresholdKind(Kind[MetricThreshold]):
    """A rule of the kind metric_threshold."""

    def __init__(self, rule: MetricThreshold) -> None:
        """Prepare to judge by a rule."""
        super().__init__(rule)
        self._metric = METRICS[rule.metric]
        self._span = rule.window // MINUTE_MS
        self._is_throughput = rule.metric == "throughput"
        self._limits = Limits(rule)
        self.has_levels = bool(rule.tiers)
        self.severities = self._limits.severities
        self.measured = Measured(rule.metric, rule.operator, self._metric.unit)
        self.samples_of = self._metric.samples_of
        self.needs_operations = not self._is_throughput
        if rule.metric == "uptime":
            self.series_kinds = frozenset({"service"})
        (self._series_kind,) = self.series_kinds
        self.lookback_ms = rule.window
        of_durations = self._metric.rank is not None or rule.metric == "duration_mean"
        needs = needs_of(self._span, digests=self._span if of_durations else 0)
        self.needs = needs._replace(in_silence=self._is_throughput)

    def judge(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict on the window that ends with the minute."""
        rule, metric = self.rule, self._metric
        if rule.each_analysis:
            return None  # single results are: see bad_results
        span = self._judged(history, minute)
        sums = history.sums(span, minute)
        samples = metric.samples(sums)
        if self._is_throughput:
            window = history.at(minute)
            if rule.operator.startswith("less") and window is not None and not window.final:
                return None  # the minute is not over: it can only become more
            return self._limits.verdict(samples / (span * 60), samples, span)
        if samples < rule.min_samples or not samples:
            return self._limits.not_enough(samples, span)
        observed = metric.observed(history, sums, span, minute)
        return None if observed is None else self._limits.verdict(observed, samples, span)

    def bad_results(self, record: AggregateRecord) -> list[tuple[ResultExemplar, Verdict]]:
        """Return the results of a minute that are past a threshold, with `each_analysis`."""
        if not (self.rule.each_analysis and isinstance(record, QualityRecord)):
            return []
        judged = [(it, self._limits.verdict(it.score, 1, 1)) for it in results_of(record)]
        return [(result, verdict) for result, verdict in judged if verdict.severity >= 0]

    def _judged(self, history: History, minute: int) -> int:
        """Return how many minutes are judged: all of the window, or the newest that are enough."""
        span, enough = self._span, self.rule.enough_samples
        if enough is None or self._metric.samples(history.sums(span, minute)) <= enough:
            return span
        found = 0
        for back in range(span):
            window = history.at(minute - back)
            if window is not None:
                found += self._metric.samples(total([window.sums], self._series_kind))
            if found >= enough:
                return back + 1
        return span

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return more figures of the same minutes."""
        span = self._judged(history, minute)
        if self.rule.metric == "duration_mean":
            return {"p95_ms": history.quantile(span, minute, _P95)}
        if self.rule.metric in ("error_rate", "success_rate"):
            failures = history.sums(span, minute).failures
            names = named(failures_by_type_of(history.last_minutes(minute)))
            return {"failures": failures} | ({"most_frequent_failures": names} if names else {})
        if self.dimension is not None:
            return faults(history, span, minute)
        return {}

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return the metric, the threshold and of how many samples."""
        metric = self._metric
        span = as_text(verdict.span * MINUTE_MS)
        samples = counted(verdict.samples, metric.samples_of)
        about = f"{metric.words} of {series}"
        if RESULT in evidence and verdict.observed is not None:
            limit = self._limits.sentence(verdict, metric.unit)
            finding = f": {evidence[FINDING]}" if evidence.get(FINDING) else ""
            return f"{about} is {figure(verdict.observed)} ({limit}) of {evidence[RESULT]}{finding}"
        if verdict.observed is None:
            return f"{about}: too few {metric.samples_of} to tell over {span}, {samples}"
        limit = self._limits.sentence(verdict, metric.unit)
        sentence = (
            f"{about} is {figure(verdict.observed, metric.unit)} ({limit}) over {span}, {samples}"
        )
        failures = evidence.get("most_frequent_failures")
        if failures:
            sentence = f"{sentence}; most frequent failures: {failures}"
        return sentence + faults_in_words(evidence)

    def condition(self) -> str:
        """Return the thresholds, the window and what else it takes."""
        return f"{self.rule.metric} {self._limits.condition(self._metric.unit)}"

    def silent_changes(self, state: SeriesState, first: int) -> Iterator[int]:
        """Yield when the window loses a part, or takes a larger one in place of smaller ones."""
        span = self._span
        if span <= MINUTES_UP_TO:
            yield from (at + span for at in state.minutes)
            return
        edge = _FIVE if span <= FIVES_UP_TO else _HOUR
        for windows in (state.minutes, state.fives, state.hours):
            yield from (at // edge * edge + span for at in windows)
            if any(at < first <= at + _HOUR for at in windows):
                yield first  # smaller windows may give way to a whole larger one
