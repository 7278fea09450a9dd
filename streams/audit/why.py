"""Return an alert's history in order: what was seen, decided, asked, sent and answered."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schemas.base import Wire
from schemas.breaches import Breach
from schemas.commands import Acknowledge, Command, EndSilence, Redrive, Silence
from schemas.matchers import matches
from schemas.notifications import Notification
from streams.alerting.pipeline import labels_of
from streams.audit.log import CommandAt, Log
from streams.audit.status import silence_statuses
from streams.channels.text_format import moment
from streams.channels.wording import observed

_WHY = {
    "violated": "",
    "severity_changed": "its severity changed",
    "confirmed": "final windows say so too",
    "still_true": "it still holds",
    "condition_gone": "the condition is gone",
    "undone": "a later revision of the windows says it never was",
    "rule_changed": "the rule was changed",
    "no_operations": "no longer judged, there are no operations",
    "too_few_samples": "no longer judged, too few samples are left to judge by",
    "judged_again": "there are operations again, and it still holds",
    "rule_removed": "the rule was removed",
    "series_gone": "the series had no operations for a week",
}


class Undelivered(NamedTuple):
    """A delivery's dead letter."""

    key: str
    delivery: str
    detail: str
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """A thing that happened."""

    at_ms: int
    """By the clock: when it was published or decided."""
    kind: Literal["breach", "command", "decision", "dead_letter"]
    what: str
    """Such as opened, acknowledge, sent, cooldown, dead letter."""
    breach_id: str | None
    """The episode, if it is about one."""
    channel: str | None
    sentence: str
    answer: str | None = None
    """The receiver's answer."""
    minor: bool = False
    """Whether another entry says it too: an attempt whose outcome is known."""
    record: Wire | None = field(default=None, repr=False)
    """The record itself."""


def history(log: Log, fingerprint: str, letters: Iterable[Undelivered] = ()) -> list[HistoryEntry]:
    """Return what happened to an alert, in order.

    What follows from a record never stands before it, even if two machines' clocks differ.
    """
    decisions = log.about(fingerprint)
    deliveries = {d.delivery: d.breach_id for d in decisions if d.delivery is not None}
    caused = _times(log, fingerprint)
    entries = [
        *_seen(log, fingerprint),
        *_asked(log, fingerprint, deliveries),
        *_decided(decisions, caused),
        *(
            HistoryEntry(
                at_ms=letter.at_ms,
                kind="dead_letter",
                what="dead letter",
                breach_id=deliveries[letter.delivery],
                channel=None,
                sentence=f"{letter.detail} It stands in the dead letters as {letter.key}.",
            )
            for letter in letters
            if letter.delivery in deliveries
        ),
    ]
    return sorted(entries, key=lambda entry: (entry.at_ms, _RANK[entry.kind]))


_RANK = {"breach": 0, "command": 1, "decision": 2, "dead_letter": 3}


def _times(log: Log, fingerprint: str) -> dict[tuple[str, int], int]:
    times = {
        ("breach", record.offset): record.at_ms for record in log.breaches.get(fingerprint, ())
    }
    return times | {("command", offset): record.at_ms for offset, record in log.commands.items()}


def _seen(log: Log, fingerprint: str) -> Iterator[HistoryEntry]:
    for breach, _, at_ms in log.breaches.get(fingerprint, ()):
        yield HistoryEntry(
            at_ms=at_ms,
            kind="breach",
            what=breach.state,
            breach_id=breach.id,
            channel=None,
            sentence=evidence(breach),
            record=breach,
        )


def evidence(breach: Breach) -> str:
    """Return what was seen: severity, value against threshold, in which windows, and why."""
    span = f"{moment(breach.span.start_ms)[:-4]} to {moment(breach.span.end_ms)}"
    why = _WHY[breach.why]
    parts = [
        f"{breach.severity}: {why}" if why else breach.severity,
        breach.summary.rstrip(".") if breach.observed is None else observed(breach),
        f"windows from {span}",
    ]
    notes = [
        note
        for note, holds in (
            ("confirmed by final windows", breach.confirmed),
            ("stale: it ended long before it was judged", breach.stale),
        )
        if holds
    ]
    return "; ".join([*parts, *notes]) + "."


def _asked(
    log: Log, fingerprint: str, deliveries: Mapping[str, str | None]
) -> Iterator[HistoryEntry]:
    covering = _covering(log, fingerprint)
    for offset, record in log.commands.items():
        breach_id = _episode(record, fingerprint, deliveries, covering)
        if breach_id is None:
            continue
        yield HistoryEntry(
            at_ms=record.at_ms,
            kind="command",
            what=record.command.kind.replace("_", " "),
            breach_id=breach_id or None,
            channel=None,
            sentence=_answered(record.command, log.answers.get(offset)),
            record=record.command,
        )


def _answered(command: Command, answer: Notification | None) -> str:
    if answer is None:
        return f"{command.by} asked for it; no alert worker has answered yet."
    if answer.reason == "command_refused":
        return f"{command.by} asked for it and was refused: {answer.sentence}"
    comment = command.comment
    return answer.sentence + (f" ({comment})" if comment not in answer.sentence else "")


def _covering(log: Log, fingerprint: str) -> dict[str, str]:
    """Return the silences that covered an episode while it fired, with the episode's id."""
    if fingerprint not in log.breaches:
        return {}
    newest = log.newest(fingerprint)
    labels = labels_of(newest)
    until_ms = newest.resolved_ms
    return {
        status.silence.id: newest.id
        for status in silence_statuses(log, newest.opened_ms)
        if status.state in ("active", "pending", "expired", "ended")
        and matches(status.silence.matchers, labels)
        and status.end_ms > newest.opened_ms
        and (until_ms is None or status.silence.start_ms < until_ms)
    }


def _episode(
    record: CommandAt,
    fingerprint: str,
    deliveries: Mapping[str, str | None],
    covering: Mapping[str, str],
) -> str | None:
    """Return the episode a command is about, empty for none in particular, None if not ours."""
    command = record.command
    if isinstance(command, Acknowledge) and command.fingerprint == fingerprint:
        return command.breach_id
    if isinstance(command, Redrive) and command.delivery in deliveries:
        return deliveries[command.delivery] or ""
    if isinstance(command, Silence):
        return covering.get(command.id)
    if isinstance(command, EndSilence):
        return covering.get(command.silence)
    return None


def _decided(
    decisions: Iterable[Notification], caused: Mapping[tuple[str, int], int]
) -> Iterator[HistoryEntry]:
    decisions = list(decisions)
    closed = {(d.batch, d.attempt) for d in decisions if d.reason in ("sent", "retry", "gave_up")}
    for decision in decisions:
        if decision.reason in ("command_done", "command_refused"):
            continue  # the command's own entry says it
        cause = decision.cause
        not_before_ms = 0 if cause.offset is None else caused.get((cause.kind, cause.offset), 0)
        yield HistoryEntry(
            at_ms=max(decision.now_ms, not_before_ms),
            kind="decision",
            what=decision.reason.replace("_", " "),
            breach_id=decision.breach_id,
            channel=decision.channel,
            sentence=decision.sentence,
            answer=decision.answer,
            minor=decision.reason == "attempted" and (decision.batch, decision.attempt) in closed,
            record=decision,
        )
