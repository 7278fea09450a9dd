"""Judge whether an objective's error budget burns too fast, over a long and a short window.

What was before a series' first window burnt nothing: a series of ten minutes says no more of three
days than an old one that was without a failure until then. Else two failures among the first
hundred operations would be a budget that burns over three days.

Source: https://sre.google/workbook/alerting-on-slos/
"""

from schemas.rules import SEVERITIES, BurnPair, BurnRate
from schemas.spans import as_text
from streams.rules.history import History
from streams.rules.verdict import NO_SEVERITY, Evidence, Verdict

_MINUTE_MS = 60_000


def judge(rule: BurnRate, seen: History, minute: int) -> Verdict | None:
    """Return the verdict by the gravest pair that burns, else by the one nearest to it."""
    best: Verdict | None = None
    most = 0
    for pair in rule.pairs:
        span = pair.long // _MINUTE_MS
        burn, samples = _burn(rule, seen, pair.long, minute)
        most = max(most, samples)
        short, _ = _burn(rule, seen, pair.short, minute)
        if burn is None or short is None or samples < rule.min_samples:
            continue
        burns = burn >= pair.rate and short >= pair.rate
        severity = SEVERITIES.index(pair.severity) if burns else NO_SEVERITY
        verdict = Verdict(severity, burns, True, burn, samples, pair.rate, span)
        if best is None or _rank(verdict) > _rank(best):
            best = verdict
    if best is None:
        pair = rule.pairs[0]
        return Verdict(NO_SEVERITY, False, False, None, most, pair.rate, pair.long // _MINUTE_MS)
    return best


def evidence(rule: BurnRate, seen: History, minute: int) -> Evidence:
    """Return the burn rate over each window there is."""
    spans = sorted({span for pair in rule.pairs for span in _spans(pair)})
    figures: Evidence = {"objective": rule.objective}
    for span in spans:
        burn, _ = _burn(rule, seen, span, minute)
        figures[f"burn_{as_text(span)}"] = None if burn is None else round(burn, 3)
    return figures


def _spans(pair: BurnPair) -> tuple[int, int]:
    return pair.long, pair.short


def _rank(verdict: Verdict) -> tuple[int, float]:
    assert verdict.observed is not None
    assert verdict.threshold is not None
    return verdict.severity, verdict.observed / verdict.threshold


def _burn(rule: BurnRate, seen: History, span_ms: int, minute: int) -> tuple[float | None, int]:
    """Return how many times too fast the budget burns, and of how many operations."""
    span = span_ms // _MINUTE_MS
    sums = seen.sums(span, minute)
    if not sums.count:
        return None, 0
    known = min(1.0, seen.age(minute) / span)
    return 100 * sums.failures / sums.count / (100 - rule.objective) * known, sums.count
