"""Find where the parts of a result contradict one another: label, score, factors, confidence."""

from collections.abc import Iterator

from schemas.analyses import Analysis, AnalysisResult
from schemas.numbers import plain
from schemas.quality_config import Expected
from schemas.quality_scores import Finding
from streams.quality.agreement import label_key
from streams.quality.values import is_evasive, is_nothing

_MOST_LABEL_COST = 0.7
_LEAST_LABEL_COST = 0.3
#: So far outside of its label's range a score costs all of it.
_FAR_OUTSIDE = 0.35
#: The share of their weight from which on the factors speak for one side.
_CLEAR_SHARE = 0.75
#: Lighter ones, taken together, leave a score where it was without them.
_LEAST_WEIGHT = 0.5
_MIDDLE = 0.5
#: The score that is clearly on a side.
_LOW_SCORE, _HIGH_SCORE = 0.35, 0.65
_LEAST_FACTORS_COST, _FACTORS_COST = 0.4, 0.65
_SURE, _UNSURE = 0.8, 0.45
_CONFIDENCE_COST = 0.35
_EVIDENCE_COST = 0.2


def contradictions(analysis: Analysis, expected: Expected) -> list[Finding]:
    """Return what in the result contradicts what else is in it."""
    result = analysis.result
    return [
        *_label_against_score(result, expected),
        *_factors_against_score(result, expected),
        *_confidence_against_fields(result),
        *_evidence_against_fields(result),
    ]


def can_contradict(analysis: Analysis, expected: Expected) -> bool:
    """Return whether the result has two parts that could contradict one another."""
    result = analysis.result
    has_score = result.score is not None
    has_range = _range_of(result, expected) is not None
    return (
        ((has_score or has_range) and bool(result.factors))
        or (has_score and has_range)
        or (result.confidence is not None and bool(result.field_confidence))
        or any(it.field in result.fields for it in result.evidence)
    )


def _label_against_score(result: AnalysisResult, expected: Expected) -> Iterator[Finding]:
    bounds = _range_of(result, expected)
    if bounds is None or result.score is None:
        return
    low, high = bounds
    outside = max(low - result.score, result.score - high)
    if outside > 1e-9:
        share = min(outside / _FAR_OUTSIDE, 1.0)
        cost = _LEAST_LABEL_COST + (_MOST_LABEL_COST - _LEAST_LABEL_COST) * share
        message = (
            f"the label {result.label} goes with scores from {plain(low)} to {plain(high)},"
            f" and the score is {result.score:.2f}"
        )
        yield _finding("label_contradicts_score", message, cost)


def _range_of(result: AnalysisResult, expected: Expected) -> tuple[float, float] | None:
    if result.label is None:
        return None
    key = label_key(result.label)
    for label, bounds in expected.labels.items():
        if label_key(label) == key:
            return bounds
    return None


def _factors_against_score(result: AnalysisResult, expected: Expected) -> Iterator[Finding]:
    weighed = sum(factor.weight for factor in result.factors)
    if weighed <= 0:
        return
    raised = sum(it.weight for it in result.factors if it.direction == "raises") / weighed
    if abs(2 * raised - 1) * weighed < _LEAST_WEIGHT:
        return
    low, high = _range_of(result, expected) or (0.0, 1.0)
    score = (low + high) / 2 if result.score is None else result.score
    # Outside of its label's range a score is a contradiction of its own.
    fits = low <= score <= high
    is_low = score < _LOW_SCORE or (fits and high <= _MIDDLE)
    is_high = score > _HIGH_SCORE or (fits and low >= _MIDDLE)
    if raised >= _CLEAR_SHARE and is_low:
        way, share, side = "raise", raised, _LOW_SCORE - score
    elif raised <= 1 - _CLEAR_SHARE and is_high:
        way, share, side = "lower", 1 - raised, score - _HIGH_SCORE
    else:
        return
    verdict = f"it is {score:.2f}" if result.score is not None else f"the label is {result.label}"
    message = (
        f"{share:.0%} of the factors' weight {way}s the score, and {verdict}:"
        f" see {_heaviest(result, way)!r}"
    )
    cost = _LEAST_FACTORS_COST + (_FACTORS_COST - _LEAST_FACTORS_COST) * max(side, 0.0) / _LOW_SCORE
    yield _finding("factors_contradict_score", message, min(cost, _FACTORS_COST))


def _heaviest(result: AnalysisResult, way: str) -> str:
    factors = [it for it in result.factors if it.direction == f"{way}s"]
    return max(factors, key=lambda factor: factor.weight).description[:80]


def _confidence_against_fields(result: AnalysisResult) -> Iterator[Finding]:
    sureness = {
        name: share
        for name, share in (result.field_confidence or {}).items()
        if name not in result.fields or not is_nothing(result.fields[name])
    }
    if result.confidence is None or not sureness:
        return
    mean = sum(sureness.values()) / len(sureness)
    if result.confidence >= _SURE and mean < _UNSURE:
        least = min(sureness, key=lambda name: sureness[name])
        message = (
            f"it is {result.confidence:.2f} sure of the whole, and {mean:.2f} of its fields:"
            f" {least} has {sureness[least]:.2f}"
        )
    elif result.confidence < 1 - _SURE and mean >= _SURE:
        message = (
            f"it is {mean:.2f} sure of its fields, and only {result.confidence:.2f} of the whole"
        )
    else:
        return
    yield _finding("confidence_contradicts_fields", message, _CONFIDENCE_COST)


def _evidence_against_fields(result: AnalysisResult) -> Iterator[Finding]:
    # `Salary: competitive` rightly supports null.
    named = {it.field for it in result.evidence if it.field and not is_evasive(it.quote)}
    for name, value in result.fields.items():
        if name in named and is_nothing(value):
            message = f"{name} is null, and a quote supports it"
            yield _finding("evidence_contradicts_field", message, _EVIDENCE_COST, name)


def _finding(code: str, message: str, cost: float, field: str | None = None) -> Finding:
    return Finding(code=code, dimension="consistency", message=message, cost=cost, field=field)
