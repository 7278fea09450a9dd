"""Turn what pages show into JSON: ratios from 0 to 1, durations in ms, times as RFC 3339."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.alert.alert_log import StoredDeadLetter
from agents.dashboard.role_states import RoleState
from streams.audit.status import AlertStatus, SilenceStatus
from streams.audit.why import HistoryEntry
from streams.channels.text_format import rfc3339
from streams.dashboard.delays import SourceDelay
from streams.dashboard.overview import Overview
from streams.dashboard.platforms import PlatformRow
from streams.dashboard.points import OperationsSum, QualitySum
from streams.dashboard.remediations import RemediationRow
from streams.dashboard.series_view import SeriesView
from streams.dashboard.service_rows import ServiceRow
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.stories import AlertStory
from streams.dashboard.tiles import Tile

Fields = dict[str, Any]
#: Failed operations that a health page lists.
_RECENT = 20


def span_fields(span: TrailingSpan) -> Fields:
    """Return a span."""
    return {
        "span": span.name,
        "from": rfc3339(span.start_ms),
        "to": rfc3339(span.end_ms),
    }


def sum_fields(found: OperationsSum) -> Fields:
    """Return what operations came to."""
    percentiles = found.percentiles
    return {
        "attempts": found.count,
        "successes": found.count - found.failures,
        "failures": found.failures,
        "success_rate": found.success_rate,
        "mean_ms": found.mean_ms,
        "p50_ms": percentiles and percentiles.p50_ms,
        "p95_ms": percentiles and percentiles.p95_ms,
        "p99_ms": percentiles and percentiles.p99_ms,
        "max_ms": found.max_ms if found.count else None,
        "failures_by_type": dict(found.types),
        "cache": {"lookups": found.lookups, "hits": found.hits, "hit_rate": found.hit_rate},
        "final": found.final,
    }


def overview_fields(found: Overview) -> Fields:
    """Return the overview."""
    claim = found.claim
    return span_fields(found.span) | {
        "since": rfc3339(found.since_ms),
        "operation": found.operation,
        "figures": [_tile_fields(tile) for tile in found.tiles],
        "claim": claim
        and {
            "claimed_percent": [claim.claim.low, claim.claim.high],
            "measured": claim.total.success_rate,
            "samples": claim.total.count,
            "between_percent": None if claim.low is None else [claim.low, claim.high],
            "verdict": claim.verdict,
        },
        "total": sum_fields(found.total),
        "platforms": [_platform_fields(row) for row in found.platforms],
        "platforms_in_all": found.platforms_in_all,
        "open_alerts": [alert_fields(alert) for alert in found.alerts],
    }


def _tile_fields(tile: Tile) -> Fields:
    return {
        "figure": tile.figure,
        "value": tile.value,
        "shown": str(tile.shown),
        "state": tile.state,
        "target": tile.target or None,
        "samples": tile.samples,
        "change": tile.change.direction,
    }


def _platform_fields(row: PlatformRow) -> Fields:
    return {
        "platform": row.platform,
        "series": row.series,
        "states": row.states,
        "share_of_failures": row.share_of_failures,
    } | sum_fields(row.sum)


def series_fields(view: SeriesView) -> Fields:
    """Return a series and its windows, the oldest first."""
    return span_fields(view.span) | {
        "series": view.name,
        "total": sum_fields(view.total),
        "before": sum_fields(view.before),
        "windows": [
            {
                "from": rfc3339(row.at_ms),
                "to": rfc3339(row.end_ms),
                "final": row.final,
                "attempts": row.count,
                "failures": row.failures,
                "success_rate": row.point.success_rate,
                "p50_ms": row.point.p50_ms,
                "p95_ms": row.point.p95_ms,
                "p99_ms": row.point.p99_ms,
                "cache_lookups": row.point.lookups,
                "cache_hits": row.point.hits,
                "failures_by_type": row.point.types,
                "exemplars": [_exemplar_fields(it) for it in row.exemplars],
            }
            for row in reversed(view.rows)
        ],
        "marks": [
            {"at": rfc3339(mark.at_ms), "kind": mark.kind, "text": mark.text} for mark in view.marks
        ],
    }


def health_fields(
    view: SeriesView, scores: Mapping[str, QualitySum], services: Sequence[ServiceRow]
) -> Fields:
    """Return what a health page needs of a span."""
    recent = [
        {"at": rfc3339(row.at_ms)} | _exemplar_fields(it)
        for row in view.rows
        for it in row.exemplars
        if not it.success
    ]
    return (
        span_fields(view.span)
        | {"series": view.name}
        | sum_fields(view.total)
        | {
            "recent_failures": recent[:_RECENT],
            "quality": {name: quality_fields(name, found) for name, found in scores.items()},
            "services": [service_fields(row) for row in services],
        }
    )


def _exemplar_fields(exemplar: Any) -> Fields:
    return {
        "id": exemplar.id,
        "success": exemplar.success,
        "duration_ms": exemplar.duration_ms,
        "error_type": exemplar.error_type,
    }


def quality_fields(name: str, found: QualitySum) -> Fields:
    """Return what scores came to."""
    return {
        "series": name,
        "analyses": found.count,
        "mean": found.mean,
        "p5": found.p5,
        "good": found.good,
        "acceptable": found.acceptable,
        "findings": dict(found.findings),
    }


def remedy_fields(row: RemediationRow) -> Fields:
    """Return what requests to remedy came to."""
    return {
        "action": row.action,
        "asked": row.asked,
        "repeated": row.repeated,
        "better": row.better,
        "mean_before": row.before,
        "mean_after": row.after,
    }


def service_fields(row: ServiceRow) -> Fields:
    """Return how a service stands."""
    return {
        "service": row.service,
        "status": row.status,
        "since": rfc3339(row.since_ms),
        "message": row.message,
        "uptime": row.uptime,
        "up_ms": row.sum.up_ms,
        "degraded_ms": row.sum.degraded_ms,
        "down_ms": row.sum.down_ms,
        "unknown_ms": row.sum.unknown_ms,
    }


def alert_fields(alert: AlertStatus) -> Fields:
    """Return how an alert stands."""
    breach = alert.breach
    return {
        "fingerprint": breach.fingerprint,
        "breach_id": breach.id,
        "state": alert.state,
        "severity": breach.severity,
        "rule": breach.rule,
        "series": breach.series,
        "labels": breach.labels,
        "opened": rfc3339(breach.opened_ms),
        "resolved": None if breach.resolved_ms is None else rfc3339(breach.resolved_ms),
        "judged": breach.judged,
        "summary": breach.summary,
        "by": alert.by or None,
        "comment": alert.comment or None,
        "silenced_until": None if alert.until_ms is None else rfc3339(alert.until_ms),
        "channels": [
            {
                "channel": it.channel,
                "state": it.state,
                "reason": it.reason,
                "sentence": it.sentence,
                "answer": it.answer,
                "at": None if it.at_ms is None else rfc3339(it.at_ms),
            }
            for it in alert.channels
        ],
    }


def story_fields(story: AlertStory) -> Fields:
    """Return an alert's whole story, the newest first."""
    return alert_fields(story.status) | {
        "breach": story.status.breach.model_dump(mode="json"),
        "history": [_entry_fields(entry) for entry in story.entries],
        "earlier": [_entry_fields(entry) for entry in story.earlier],
    }


def _entry_fields(entry: HistoryEntry) -> Fields:
    return {
        "at": rfc3339(entry.at_ms),
        "kind": entry.kind,
        "what": entry.what,
        "breach_id": entry.breach_id,
        "channel": entry.channel,
        "sentence": entry.sentence,
        "answer": entry.answer,
    }


def silence_fields(status: SilenceStatus) -> Fields:
    """Return how a silence stands."""
    silence = status.silence
    return {
        "id": silence.id,
        "state": status.state,
        "matchers": [matcher.model_dump(mode="json") for matcher in silence.matchers],
        "from": rfc3339(silence.start_ms),
        "to": rfc3339(status.end_ms),
        "by": silence.by,
        "comment": silence.comment,
    }


def role_fields(role: RoleState, delays: Sequence[SourceDelay]) -> Fields:
    """Return how far a role has read, in records and in event time, and which workers it has."""
    return {
        "role": role.role,
        "state": role.state,
        "workers": [worker._asdict() for worker in role.workers],
        "lag": role.lag,
        "watermark_delays": [
            {"partitions": it.partitions, "delay_s": round(it.delay_ms / 1000, 1)} for it in delays
        ],
    }


def letter_fields(letter: StoredDeadLetter) -> Fields:
    """Return a dead letter with its first bytes as text."""
    return {
        "key": letter.key,
        "reason": letter.about.reason,
        "detail": letter.about.detail,
        "refused": rfc3339(letter.refused_at_ms),
        "size_bytes": letter.about.size_bytes,
        "first_bytes": letter.value.decode("utf-8", "backslashreplace"),
    }
