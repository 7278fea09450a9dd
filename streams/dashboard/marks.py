"""Return what happened to a series in a span: breaches, acknowledgements, silences."""

from collections.abc import Iterator

from schemas.breaches import Breach
from schemas.commands import Acknowledge, Silence
from schemas.matchers import matches
from streams.alerting.pipeline import labels_of
from streams.audit.log import Log
from streams.dashboard.charts import Mark
from streams.dashboard.spans import TrailingSpan

#: A chart with more marks could not be read: these are the newest.
_MOST = 40


def marks_of(log: Log, series: str, span: TrailingSpan) -> list[Mark]:
    """Return the marks of a series in a span, in the order of time."""
    breaches = [
        record.breach
        for records in list(log.breaches.values())
        if records[0].breach.series == series
        for record in records
    ]
    found = [*_of_breaches(breaches), *_of_commands(log, breaches)]
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
