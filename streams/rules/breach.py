"""Make the breach that is published: always the same bytes for the same id and revision."""

import hashlib
from typing import Any, NamedTuple

import msgspec

from schemas.breaches import BreachState, Why
from schemas.rules import SEVERITIES, BurnRate, MetricThreshold, NoData, TrendRule
from streams.rules.compiled import CompiledRule
from streams.rules.history import History
from streams.rules.metrics import MEASURES
from streams.rules.sentences import not_judged, sentence, summary
from streams.rules.series_state import OpenBreach
from streams.rules.verdict import Evidence, Verdict

_MINUTE_MS = 60_000
_ID_LENGTH = 32
_encode = msgspec.json.Encoder().encode


class BreachUpdate(NamedTuple):
    """What is said, and of which minute."""

    state: BreachState
    why: Why
    minute: int
    resolved: bool = False


def fingerprint_of(rule: str, series: str) -> str:
    """Return what stands for a rule and a series."""
    return _hash(rule, series)


def id_of(rule: str, series: str, since: int, again: int = 0) -> str:
    """Return the id of the episode that began with a violating minute.

    Args:
        rule: its name.
        series: its name.
        since: the minute.
        again: tells apart a second one that began no later than one before.
    """
    return _hash(rule, series, str(since), *([str(again)] if again else []))


class _Key(msgspec.Struct):
    fingerprint: str
    state: str
    severity: str


_decode_key = msgspec.json.Decoder(_Key).decode


def key_of(breach: bytes) -> bytes:
    """Return the key of a breach on its topic."""
    return _decode_key(breach).fingerprint.encode()


def word_of(breach: bytes) -> tuple[str, str]:
    """Return the state and the severity of a breach."""
    key = _decode_key(breach)
    return key.state, key.severity


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_LENGTH]


class BreachSubject(NamedTuple):
    """Whom a breach is about."""

    series: str
    labels: dict[str, str]
    rules_hash: str


def breach(
    about: BreachSubject,
    one: CompiledRule,
    episode: OpenBreach,
    moment: BreachUpdate,
    verdict: Verdict,
    seen: History,
) -> bytes:
    """Return a schemas.breaches.Breach as JSON."""
    rule = one.rule
    minute = moment.minute
    evidence = {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in one.evidence(rule, seen, minute).items()
    }
    whom = _whom(about)
    plain = sentence(rule, whom, verdict, evidence)
    metric, operator, unit = _measured(rule)
    fields: dict[str, Any] = {
        "version": 1,
        "id": episode.id,
        "revision": episode.revision,
        "state": moment.state,
        "why": moment.why,
        "fingerprint": fingerprint_of(rule.name, about.series),
        "rule": rule.name,
        "kind": rule.kind,
        "series": about.series,
        "severity": SEVERITIES[episode.severity],
        "metric": metric,
        "operator": operator,
        "threshold": verdict.threshold,
        "observed": None if verdict.observed is None else round(verdict.observed, 6),
        "unit": unit,
        "samples": verdict.samples,
        "evidence": evidence,
        "span": {
            "start_ms": (minute + 1 - verdict.span) * _MINUTE_MS,
            "end_ms": (minute + 1) * _MINUTE_MS,
        },
        "since_ms": episode.since * _MINUTE_MS,
        "opened_ms": episode.opened * _MINUTE_MS,
        "resolved_ms": minute * _MINUTE_MS if moment.resolved else None,
        "confirmed": episode.confirmed,
        "judged": episode.judged,
        "stale": episode.stale,
        "summary": plain,
        "exemplars": seen.exemplars(minute),
    } | _shown(about, one)
    if moment.why == "series_gone":
        fields["summary"] = f"nothing was heard of {whom} for a week"
    elif not episode.judged:
        fields["summary"] = not_judged(rule, whom, too_few=moment.why == "too_few_samples")
    else:
        fields["summary"] = summary(rule.summary, plain, fields)
    return _encode(fields)


def _shown(about: BreachSubject, one: CompiledRule) -> dict[str, Any]:
    """Return what the rule file adds to what was measured."""
    return {
        "labels": about.labels | one.labels,
        "runbook": one.runbook,
        "dashboard": one.dashboard,
        "routing": one.routing.model_dump(mode="json"),
        "rules_hash": about.rules_hash,
    }


def _whom(about: BreachSubject) -> str:
    service = about.labels.get("service")
    return about.series if service is None else f"service {service}"


def changed(about: BreachSubject, one: CompiledRule, episode: OpenBreach) -> bytes:
    """Return the breach that says the same of an episode by another version of its rule."""
    episode.revision += 1
    fields = msgspec.json.decode(episode.last)
    severity = SEVERITIES[episode.severity]
    fields |= {"revision": episode.revision, "state": "updated", "why": "rule_changed"}
    fields |= {"severity": severity} | _shown(about, one)
    if episode.judged:
        span = fields["span"]["end_ms"] - fields["span"]["start_ms"]
        verdict = Verdict(
            episode.severity,
            True,
            True,
            fields["observed"],
            fields["samples"],
            fields["threshold"],
            span // _MINUTE_MS,
        )
        evidence: Evidence = fields["evidence"]
        plain = sentence(one.rule, _whom(about), verdict, evidence)
        fields["summary"] = summary(one.rule.summary, plain, fields)
    return _encode(fields)


def removed(episode: OpenBreach, why: Why) -> bytes:
    """Return the breach that ends an episode whose rule is gone, or measures something else."""
    fields = msgspec.json.decode(episode.last)
    is_gone = why == "rule_removed"
    what = "is gone from the file" if is_gone else "measures something else now"
    fields |= {
        "revision": episode.revision,
        "state": "resolved",
        "why": why,
        "judged": True,
        "resolved_ms": max(fields["span"]["end_ms"] - _MINUTE_MS, fields["opened_ms"]),
        "summary": f"the rule {fields['rule']} {what}",
    }
    return _encode(fields)


def _measured(rule: object) -> tuple[str | None, str | None, str]:
    """Return metric, operator and unit."""
    if isinstance(rule, MetricThreshold):
        return rule.metric, rule.operator, MEASURES[rule.metric].unit
    if isinstance(rule, BurnRate):
        return "burn_rate", "greater_than_or_equal", "x"
    if isinstance(rule, TrendRule):
        return "success_rate", "less_than", "%"
    if isinstance(rule, NoData):
        return "silence", "greater_than_or_equal", "s"
    return None, None, ""
