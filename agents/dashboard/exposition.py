"""Show Prometheus the newest figures, objectives and alerts: gauges without timestamps."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.dashboard.metrics import failures
from agents.dashboard.page import Parts
from schemas.rules import SEVERITIES
from streams.dashboard.objectives import objective_rows
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import SpanName, TrailingSpan, trailing
from streams.rules.aggregate_reader import ScoreSeriesFields, SeriesFields
from streams.rules.error_budget import Objectives

_SPANS: tuple[SpanName, ...] = ("1h", "24h")
_SERIES = ("operation", "platform", "confidence", "span")
_SCORES = ("dimension", "operation", "platform", "model", "span")
_STATUSES = ("up", "degraded", "down", "silent", "unknown")
_BUDGET_SPAN: SpanName = "24h"


class Exposition(Collector):
    """Collects what pages show, when Prometheus asks."""

    def __init__(
        self, parts: Parts, objectives: Callable[[], Objectives], open_pages: Callable[[], int]
    ) -> None:
        self._parts = parts
        self._objectives = objectives
        self._open_pages = open_pages
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(failures)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; figures only once everything that was published is read."""
        yield from self._own()
        if not self._parts.freshness.is_loading:
            now_ms = int(time.time() * 1000)
            spans = [trailing(name, now_ms) for name in _SPANS]
            yield from self._operations(spans)
            yield from self._quality(spans)
            yield from self._services(spans)
            yield from self._budgets(now_ms)
            yield from self._alerts()

    def _own(self) -> Iterator[GaugeMetricFamily]:
        """Yield how the dashboard itself is."""
        world, freshness = self._parts.world, self._parts.freshness
        away_s, silent_s = freshness.kafka_away_s, freshness.worker_away_s
        age_s, left_out = freshness.age_s, len(world.books.left_out)
        refused = world.refused + world.books.refused
        for name, about, value in (
            ("kafka_away_seconds", "For how long no broker has answered.", away_s or 0.0),
            (
                "measure_silent_seconds",
                "For how long no measure worker published.",
                silent_s or 0.0,
            ),
            ("figures_age_seconds", "Age of the newest aggregate; NaN without.", age_s),
            ("loading", "1 while what was published is still being read.", freshness.is_loading),
            ("open_pages", "Pages that are open.", self._open_pages()),
            ("series", "Series that are remembered.", sum(1 for _ in world.books.all())),
            ("refused_records", "Records that cannot be shown.", refused),
            ("series_left_out", "Series beyond OPWATCH_DASHBOARD_SERIES.", left_out),
        ):
            family = GaugeMetricFamily(f"opwatch_dashboard_{name}", about)
            family.add_metric((), float("nan") if value is None else float(value))
            yield family

    def _operations(self, spans: list[TrailingSpan]) -> Iterator[GaugeMetricFamily]:
        count = _family("operations", "Operations of a series in a trailing span.", _SERIES)
        failures = _family("failures", "Those that failed.", _SERIES)
        success = _family("success_ratio", "The share that succeeded.", _SERIES)
        hits = _family("cache_hit_ratio", "The share of lookups that hit.", _SERIES)
        durations = _family("duration_seconds", "Percentiles of durations.", (*_SERIES, "quantile"))
        sums = self._parts.world.sums
        for book in list(sums.books.operations.values()):
            series = book.series
            assert isinstance(series, SeriesFields)
            names = (series.operation, series.platform or "", series.confidence or "")
            for span in spans:
                found = sums.operations(book.name, span)
                if not found.count:
                    continue
                labels = (*names, span.name)
                count.add_metric(labels, found.count)
                failures.add_metric(labels, found.failures)
                success.add_metric(labels, found.success_rate or 0.0)
                if found.hit_rate is not None:
                    hits.add_metric(labels, found.hit_rate)
                if (percentiles := found.percentiles) is not None:
                    quantiles = zip(("0.5", "0.95", "0.99"), percentiles, strict=True)
                    for quantile, value_ms in quantiles:
                        durations.add_metric((*labels, quantile), value_ms / 1000)
        yield from (count, failures, success, hits, durations)

    def _quality(self, spans: list[TrailingSpan]) -> Iterator[GaugeMetricFamily]:
        mean = _family("quality_score", "Mean score of analyses, from 0 to 1.", _SCORES)
        count = _family("analyses", "Analyses that were scored.", _SCORES)
        sums = self._parts.world.sums
        for book in list(sums.books.quality.values()):
            series = book.series
            assert isinstance(series, ScoreSeriesFields)
            names = (series.dimension, series.operation, series.platform or "", series.model or "")
            for span in spans:
                found = sums.quality(book.name, span)
                if found.mean is not None:
                    mean.add_metric((*names, span.name), found.mean)
                    count.add_metric((*names, span.name), found.count)
        yield from (mean, count)

    def _services(self, spans: list[TrailingSpan]) -> Iterator[GaugeMetricFamily]:
        uptime = _family("uptime_ratio", "The share of time up.", ("service", "span"))
        status = GaugeMetricFamily(
            "opwatch_service_status", "1 for the status that holds.", labels=("service", "status")
        )
        sums = self._parts.world.sums
        for span in spans:
            for row in service_rows(sums, span):
                if row.uptime is not None:
                    uptime.add_metric((row.service, span.name), row.uptime)
        for row in service_rows(sums, spans[0]):
            for name in _STATUSES:
                status.add_metric((row.service, name), float(row.status == name))
        yield from (uptime, status)

    def _budgets(self, now_ms: int) -> Iterator[GaugeMetricFamily]:
        labels = ("rule", "series", "span")
        objective = GaugeMetricFamily(
            "opwatch_objective_ratio", "The share of good operations aimed at.", labels=labels
        )
        left = GaugeMetricFamily(
            "opwatch_error_budget_left_ratio",
            "The share of the error budget that is left; negative where it is overspent.",
            labels=labels,
        )
        target = self._parts.promises().targets.get("success_rate")
        rows = objective_rows(
            self._parts.world.sums,
            self._objectives(),
            None if target is None else target.aim,
            trailing(_BUDGET_SPAN, now_ms),
        )
        for row in rows:
            place = (row.rule or "target", row.series, _BUDGET_SPAN)
            objective.add_metric(place, row.objective / 100)
            if row.budget is not None:
                left.add_metric(place, row.budget.left / 100)
        yield from (objective, left)

    def _alerts(self) -> Iterator[GaugeMetricFamily]:
        alerts = GaugeMetricFamily(
            "opwatch_alerts", "Open alerts by how they stand.", labels=("state", "severity")
        )
        open_alert = GaugeMetricFamily(
            "opwatch_alert_open",
            "1 for each open alert.",
            labels=("rule", "series", "severity", "state"),
        )
        counts: Counter[tuple[str, str]] = Counter()
        for alert in self._parts.world.alerts():
            breach = alert.breach
            if alert.state != "resolved":
                counts[alert.state, breach.severity] += 1
                open_alert.add_metric((breach.rule, breach.series, breach.severity, alert.state), 1)
        for state in ("firing", "acknowledged", "silenced"):
            for severity in SEVERITIES:
                alerts.add_metric((state, severity), counts[state, severity])
        yield from (alerts, open_alert)


def _family(name: str, about: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"opwatch_trailing_{name}", about, labels=labels)
