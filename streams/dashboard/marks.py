"""Return what happened to a series in a span: breaches, acknowledgements, silences, versions."""

from collections.abc import Iterator

from schemas.breaches import Breach
from schemas.commands import Acknowledge, Silence
from schemas.matchers import matches
from streams.alerting.pipeline import labels_of
from streams.audit.log import Log
from streams.dashboard.book import SeriesBook
from streams.dashboard.charts import Mark
from streams.dashboard.points import QualityPoint
from streams.dashboard.spans import TrailingSpan
from streams.measure.window_times import SIZE_MS

#: A chart with more marks could not be read: these are the newest.
_MOST = 40
#: Of a hash so much is shown.
_HASH = 8


def marks_of(
    log: Log, series: str, span: TrailingSpan, quality: SeriesBook[QualityPoint] | None = None
) -> list[Mark]:
    """Return the marks of a series in a span, in the order of time.

    Args:
        log: what was breached, asked and decided.
        series: its name.
        span: the span.
        quality: the scores of the same operation and platform.
    """
    breaches = [
        record.breach
        for records in list(log.breaches.values())
        if records[0].breach.series == series
        for record in records
    ]
    found = [*_of_breaches(breaches), *_of_commands(log, breaches), *_of_versions(quality, span)]
    inside = {mark for mark in found if span.start_ms <= mark.at_ms < span.end_ms}
    return sorted(inside, key=lambda mark: mark.at_ms)[-_MOST:]


def _of_breaches(breaches: list[Breach]) -> Iterator[Mark]:
    for breach in breaches:
        what = f"{breach.rule.replace('_', ' ')} ({breach.severity})"
        if breach.state == "opened":
            yield Mark("opened", breach.opened_ms, f"opened: {what}")
        elif breach.state == "resolved" and breach.resolved_ms is not None:
            yield Mark("resolved", breach.resolved_ms, f"resolved: {what}")


def _of_commands(log: Log, breaches: list[Breach]) -> Iterator[Mark]:
    episodes = {breach.id: breach for breach in breaches}
    for record in log.done():
        command = record.command
        if isinstance(command, Acknowledge) and command.breach_id in episodes:
            rule = episodes[command.breach_id].rule.replace("_", " ")
            yield Mark("acknowledged", record.at_ms, f"{command.by} acknowledged {rule}")
        elif isinstance(command, Silence) and any(
            matches(command.matchers, labels_of(breach)) for breach in episodes.values()
        ):
            yield Mark("silenced", command.start_ms, f"silenced by {command.by}")


def _of_versions(quality: SeriesBook[QualityPoint] | None, span: TrailingSpan) -> Iterator[Mark]:
    """Yield where scores began to be made by another configuration: they compare with no older."""
    if quality is None:
        return
    size = span.point_size
    before: set[str] = set()
    for start_ms, point in quality.points(size, span.start_ms - SIZE_MS[size], span.end_ms):
        versions = set(point.configurations)
        if before and (new := versions - before):
            text = f"quality version {_short(new)}, before {_short(before)}"
            yield Mark("version", start_ms, text)
        before = versions or before


def _short(hashes: set[str]) -> str:
    return ", ".join(sorted(it[:_HASH] for it in hashes))
