"""Make of a score, a label, a breach, an acknowledgement, a decision, a dead letter its entry."""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from schemas.breaches import Breach
from schemas.commands import Acknowledge, CommandRecord
from schemas.dead_letters import DeadLetter, from_headers
from schemas.labels import Label
from schemas.notifications import Notification
from schemas.quality_scores import QualityScore
from streams.history.aggregates import Unreadable
from streams.history.fitting import entry, id_of
from streams.history.record_tables import (
    ACKNOWLEDGEMENTS,
    ALERTS,
    DEAD_LETTERS,
    LABELS,
    NOTIFICATIONS,
    QUALITY_SCORES,
)
from streams.history.tables import Entry
from streams.validation import cut, not_fit


def entries_of_score(value: bytes) -> list[Entry]:
    """Return the entry of a record on `quality-scores`; raises Unreadable."""
    score = _read(QualityScore, value)
    fields = score.model_dump(mode="json", include={"dimensions", "left_out"})
    return [
        entry(
            QUALITY_SCORES,
            score.analysis,
            score.service,
            score.operation,
            score.platform,
            score.model,
            score.occurred_at,
            score.overall,
            fields["dimensions"],
            fields["left_out"],
            list(score.actions),
            score.configuration,
            score.took_ms,
            *score.source,
            score.remediates,
        )
    ]


def entries_of_label(value: bytes) -> list[Entry]:
    """Return the entry of a record on `labels`; raises Unreadable."""
    label = _read(Label, value)
    truth = label.model_dump(mode="json", include={"truth"})["truth"]
    return [
        entry(
            LABELS,
            id_of(label.analysis, label.input_hash, label.about, label.source),
            label.analysis,
            label.input_hash,
            label.about,
            json.dumps(truth),  # a text would be taken for JSON
            label.verified,
            label.source,
            label.at,
        )
    ]


def entries_of_breach(value: bytes) -> list[Entry]:
    """Return the entry of a record on `breaches`; raises Unreadable."""
    breach = _read(Breach, value)
    fields = breach.model_dump(mode="json", include={"exemplars", "routing"})
    return [
        entry(
            ALERTS,
            breach.id,
            breach.revision,
            breach.state,
            breach.why,
            breach.fingerprint,
            breach.rule,
            breach.kind,
            breach.series,
            breach.labels,
            breach.severity,
            breach.metric,
            breach.operator,
            breach.threshold,
            breach.observed,
            breach.unit,
            breach.samples,
            breach.evidence,
            breach.span.start_ms,
            breach.span.end_ms,
            breach.since_ms,
            breach.opened_ms,
            breach.resolved_ms,
            breach.confirmed,
            breach.judged,
            breach.stale,
            breach.summary,
            fields["exemplars"],
            breach.runbook,
            breach.dashboard,
            fields["routing"],
            breach.rules_hash,
        )
    ]


def entries_of_command(value: bytes) -> list[Entry]:
    """Return the entry of an acknowledgement; none of another command; raises Unreadable."""
    command = _read(CommandRecord, value).root
    if not isinstance(command, Acknowledge):
        return []
    fields = (command.fingerprint, command.id, command.by, command.at_ms, command.comment)
    return [entry(ACKNOWLEDGEMENTS, command.breach_id, *fields)]


def entries_of_notification(value: bytes) -> list[Entry]:
    """Return the entry of a record on `notifications`; raises Unreadable."""
    decision = _read(Notification, value)
    return [
        entry(
            NOTIFICATIONS,
            decision.id,
            decision.fingerprint,
            decision.breach_id,
            decision.rule,
            decision.series,
            decision.severity,
            decision.channel,
            decision.event,
            decision.reason,
            decision.sentence,
            decision.until_ms,
            decision.delivery,
            decision.batch,
            decision.attempt,
            decision.answer,
            decision.gave_up,
            decision.now_ms,
            decision.cause.model_dump(mode="json"),
        )
    ]


def entries_of_dead_letter(
    value: bytes, headers: Iterable[tuple[str, bytes | None]]
) -> list[Entry]:
    """Return the entry of a record on `dead-letters`; raises Unreadable."""
    try:
        letter: DeadLetter = from_headers(headers)
    except ValueError as error:
        raise Unreadable(cut(str(error))) from None
    return [
        entry(
            DEAD_LETTERS,
            id_of(letter.key),
            letter.key,
            letter.reason,
            letter.detail,
            letter.topic,
            letter.partition,
            letter.offset,
            letter.last_offset,
            letter.index,
            letter.delivery,
            letter.timestamp_ms,
            letter.size_bytes,
            letter.sha256,
            letter.truncated,
            value,
        )
    ]


def _read(model: Any, value: bytes) -> Any:
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        raise Unreadable(str(not_fit(error))) from None
