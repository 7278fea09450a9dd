"""Judge whether a metric over a trailing window is past a threshold."""

from schemas.rules import SEVERITIES, MetricThreshold
from streams.rules.history import History
from streams.rules.metrics import MEASURES, is_past, rank_of
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict

_MINUTE_MS = 60_000
_P95 = 0.95


def judge(rule: MetricThreshold, seen: History, minute: int) -> Verdict | None:
    """Return the verdict on the window that ends with the minute."""
    span = rule.window // _MINUTE_MS
    sums = seen.sums(span, minute)
    measure = MEASURES[rule.metric]
    samples = measure.samples(sums)
    if rule.metric == "throughput":
        held = seen.at(minute)
        if rule.operator.startswith("less") and held is not None and not held.final:
            return None  # the minute is not over: it can only become more
        return _verdict(rule, samples / (span * 60), samples, span)
    if samples < rule.min_samples or not samples:
        return Verdict(NO_SEVERITY, False, False, None, samples, _tiers(rule)[0][1], span)
    rank = rank_of(rule.metric)
    if rank is not None:
        observed = seen.quantile(span, minute, rank)
    else:
        assert measure.value is not None
        observed = measure.value(sums)
    if observed is None:
        return None
    return _verdict(rule, observed, samples, span)


def evidence(rule: MetricThreshold, seen: History, minute: int) -> Evidence:
    """Return more figures of the same window."""
    span = rule.window // _MINUTE_MS
    if rule.metric == "duration_mean":
        return {"p95_ms": seen.quantile(span, minute, _P95)}
    if rule.metric in ("error_rate", "success_rate"):
        return {"failures": seen.sums(span, minute).failures}
    return {}


def _verdict(rule: MetricThreshold, observed: float, samples: int, span: int) -> Verdict:
    tiers = _tiers(rule)
    reached, threshold = NO_SEVERITY, tiers[0][1]
    for severity, limit in tiers:
        if is_past(observed, limit, rule.operator):
            reached, threshold = severity, limit
    holds = reached >= 0
    if rule.resolve_threshold is not None and not holds:
        holds = is_past(observed, rule.resolve_threshold, rule.operator)
    return Verdict(reached, holds, True, observed, samples, threshold, span)


def _tiers(rule: MetricThreshold) -> list[tuple[int, float]]:
    if rule.tiers:
        return [(SEVERITIES.index(tier.severity), tier.threshold) for tier in rule.tiers]
    assert rule.threshold is not None
    return [(SEVERITIES.index(rule.severity), rule.threshold)]
