"""Report what a worker's windows do: metrics, and a warning of overflow."""

import time
from collections.abc import Mapping

import structlog

from agents.runtime import metrics
from streams.measure.windows import Windows

log = structlog.get_logger()

BY_PARTITION = (
    metrics.series,
    metrics.rows,
    metrics.held_finals,
    metrics.unheard_sources,
    metrics.watermark_delay,
)


def measure(of: Mapping[int, Windows], rows: Mapping[int, int], series_limit: int) -> None:
    """Set the metrics of windows, by partition, and warn of series that are refused."""
    now_ms = time.time() * 1000
    delay_ms = 0.0
    for partition, windows in of.items():
        metrics.series.labels(partition).set(len(windows.admission))
        metrics.rows.labels(partition).set(rows[partition])
        metrics.held_finals.labels(partition).set(windows.held_finals)
        metrics.unheard_sources.labels(partition).set(windows.watermarks.unreported_count)
        if (low := windows.watermarks.low_ms) is not None:
            metrics.watermark_delay.labels(partition).set((now_ms - low) / 1000)
        if (due := windows.oldest_due_ms) is not None:
            delay_ms = max(delay_ms, now_ms - due)
        metrics.late_revisions.inc(windows.late_revisions)
        windows.late_revisions = 0
        if names := windows.admission.refused_names:
            windows.admission.refused_names = []
            log.warning(
                "series beyond the limit count in overflow", limit=series_limit, among_them=names
            )
    metrics.publish_delay.set(delay_ms / 1000)
