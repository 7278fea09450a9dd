"""Make the breach record that is published: of an id and revision always the same bytes."""

import hashlib
from typing import Any, NamedTuple

import msgspec

from schemas.breaches import BreachState, Why
from schemas.rules import SEVERITIES
from schemas.spans import MINUTE_MS
from streams.rules.aggregate_reader import DIMENSION
from streams.rules.compiled import CompiledRule
from streams.rules.faults import fault_of_result
from streams.rules.firing import Verdict
from streams.rules.formatting import not_judged, summary
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence
from streams.rules.series_state import OpenBreach
from streams.rules.stored_window import ResultExemplar, exemplars_of

_ID_LENGTH = 32
_encode = msgspec.json.Encoder().encode


class BreachUpdate(NamedTuple):
    """What happened to a breach, and in which minute."""

    state: BreachState
    why: Why
    minute: int


class BreachSubject(NamedTuple):
    """The series that a breach is about, and the rule file that judges it."""

    series: str
    labels: dict[str, str]
    rules_hash: str

    @property
    def words(self) -> str:
        """The series as a sentence names it."""
        service, dimension = self.labels.get("service"), self.labels.get(DIMENSION)
        if dimension is not None:
            return self.series.removeprefix(f"{dimension}:")
        return self.series if service is None else f"service {service}"


class _BreachHead(msgspec.Struct):
    fingerprint: str
    state: str
    severity: str


_decode_head = msgspec.json.Decoder(_BreachHead).decode


def id_of(rule: str, series: str, since: int, again: int = 0) -> str:
    """Return the id of the breach that began with a violating minute.

    Args:
        rule: its name.
        series: its name.
        since: the minute.
        again: tells apart a second breach that began no later than a former one.
    """
    return _hash(rule, series, str(since), *([str(again)] if again else []))


def id_of_result(rule: str, series: str, analysis: str) -> str:
    """Return the id of the breach by a single result."""
    return _hash(rule, series, "result", analysis)


def key_of(breach: bytes) -> bytes:
    """Return the key of a breach record on its topic."""
    return _decode_head(breach).fingerprint.encode()


def state_and_severity(breach: bytes) -> tuple[str, str]:
    """Return the state and the severity of a breach record."""
    head = _decode_head(breach)
    return head.state, head.severity


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_LENGTH]


def breach_record(
    subject: BreachSubject,
    compiled: CompiledRule,
    breach: OpenBreach,
    update: BreachUpdate,
    verdict: Verdict,
    history: History,
    result: ResultExemplar | None = None,
) -> bytes:
    """Return a schemas.breaches.Breach as JSON; `result` is the only one that it is about."""
    rule, kind, minute = compiled.rule, compiled.kind, update.minute
    found = kind.evidence(history, minute) if result is None else fault_of_result(result)
    evidence: Evidence = {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in found.items()
    }
    plain = kind.sentence(subject.words, verdict, evidence)
    metric, operator, unit = kind.measured
    fields: dict[str, Any] = {
        "version": 1,
        "id": breach.id,
        "revision": breach.revision,
        "state": update.state,
        "why": update.why,
        "fingerprint": _hash(rule.name, subject.series),
        "rule": rule.name,
        "kind": rule.kind,
        "series": subject.series,
        "severity": SEVERITIES[breach.severity],
        "metric": metric,
        "operator": operator,
        "threshold": verdict.threshold,
        "observed": None if verdict.observed is None else round(verdict.observed, 6),
        "unit": unit,
        "samples": verdict.samples,
        "evidence": evidence,
        "span": {
            "start_ms": (minute + 1 - verdict.span) * MINUTE_MS,
            "end_ms": (minute + 1) * MINUTE_MS,
        },
        "since_ms": breach.since * MINUTE_MS,
        "opened_ms": breach.opened * MINUTE_MS,
        "resolved_ms": minute * MINUTE_MS if update.state == "resolved" else None,
        "confirmed": breach.confirmed,
        "judged": breach.judged,
        "stale": breach.stale,
        "summary": plain,
        "exemplars": exemplars_of(history.last_minutes(minute))
        if result is None
        else [result._asdict()],
    } | _from_the_file(subject, compiled)
    if update.why == "series_gone":
        fields["summary"] = f"nothing came from {subject.words} for a week"
    elif not breach.judged:
        too_few = update.why == "too_few_samples"
        fields["summary"] = not_judged(kind, subject.words, too_few=too_few)
    else:
        fields["summary"] = summary(rule.summary, plain, fields)
    return _encode(fields)


def _from_the_file(subject: BreachSubject, compiled: CompiledRule) -> dict[str, Any]:
    """Return what the rule file adds to what was measured."""
    return {
        "labels": subject.labels | compiled.labels,
        "runbook": compiled.runbook,
        "dashboard": compiled.dashboard,
        "routing": compiled.routing.model_dump(mode="json"),
        "rules_hash": subject.rules_hash,
    }


def rule_changed(subject: BreachSubject, compiled: CompiledRule, breach: OpenBreach) -> bytes:
    """Return the record of a breach that goes on by another version of its rule."""
    breach.revision += 1
    fields = msgspec.json.decode(breach.last)
    severity = SEVERITIES[breach.severity]
    fields |= {"revision": breach.revision, "state": "updated", "why": "rule_changed"}
    fields |= {"severity": severity} | _from_the_file(subject, compiled)
    if breach.judged:
        span = fields["span"]["end_ms"] - fields["span"]["start_ms"]
        verdict = Verdict(
            breach.severity,
            True,
            True,
            fields["observed"],
            fields["samples"],
            fields["threshold"],
            span // MINUTE_MS,
        )
        plain = compiled.kind.sentence(subject.words, verdict, fields["evidence"])
        fields["summary"] = summary(compiled.rule.summary, plain, fields)
    return _encode(fields)


def ended_by_the_file(breach: OpenBreach, why: Why) -> bytes:
    """Return the record that ends a breach whose rule is gone, or measures something else."""
    breach.revision += 1
    fields = msgspec.json.decode(breach.last)
    is_gone = why == "rule_removed"
    what = "is gone from the file" if is_gone else "measures something else now"
    fields |= {
        "revision": breach.revision,
        "state": "resolved",
        "why": why,
        "judged": True,
        "resolved_ms": max(fields["span"]["end_ms"] - MINUTE_MS, fields["opened_ms"]),
        "summary": f"the rule {fields['rule']} {what}",
    }
    return _encode(fields)
