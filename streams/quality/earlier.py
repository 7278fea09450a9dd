"""Keep of an analysis what later ones of its input are compared with, and compare."""

from collections.abc import Iterator, Sequence
from statistics import median

from schemas.analyses import Analysis
from schemas.quality_scores import Finding
from streams.quality.agreement import agree, same_label
from streams.quality.assessor import EarlierResult, shown
from streams.quality.text import words_of
from streams.quality.values import is_nothing

MAX_FIELDS = 20
MAX_VALUE = 80

_LABEL_COST = 0.7
_SCORE_COST = 0.5
#: A score that is this far beyond the tolerance costs all of it.
_FAR = 0.4
_CHANGED_COST = 0.35
_LOST_COST = 0.2
#: Fields that changed, or were lost, and are named.
_MAX_NAMED = 3


def earlier_of(analysis: Analysis, offset: int) -> EarlierResult | None:
    """Return the result in short; None of a cached answer, which is no evidence."""
    if analysis.cached is not None:
        return None
    result = analysis.result
    fields: dict[str, str] = {}
    for name, value in result.fields.items():
        if len(fields) < MAX_FIELDS and isinstance(value, str | int | float):
            text = str(value).strip()
            # A cut value would differ from itself.
            if len(text) <= MAX_VALUE and not is_nothing(text):
                fields[name] = text
    return EarlierResult(offset, analysis.id, result.label, result.score, fields)


def changes(
    analysis: Analysis, earlier: Sequence[EarlierResult], score_tolerance: float
) -> list[Finding]:
    """Return where the result differs from the earlier ones of the same input."""
    return [
        *_label(analysis, earlier),
        *_score(analysis, earlier, score_tolerance),
        *_fields(analysis, earlier[-1]),
    ]


def comparable(analysis: Analysis, earlier: Sequence[EarlierResult]) -> list[EarlierResult]:
    """Return the earlier results that this one should be like: none that it is to mend."""
    return [it for it in earlier if it.id not in (analysis.id, analysis.remediates)]


def _label(analysis: Analysis, earlier: Sequence[EarlierResult]) -> Iterator[Finding]:
    labels = [it.label for it in earlier if it.label is not None]
    label = analysis.result.label
    if label is None or not labels:
        return
    others = [it for it in labels if not same_label(label, it)]
    if others:
        share = len(others) / len(labels)
        times = f"{len(others)} of {len(labels)} times" if len(labels) > 1 else "before"
        message = f"the label is {label}: for the same input it was {others[-1]} {times}"
        yield _finding("changed_label", message, _LABEL_COST * share)


def _score(
    analysis: Analysis, earlier: Sequence[EarlierResult], score_tolerance: float
) -> Iterator[Finding]:
    scores = [it.score for it in earlier if it.score is not None]
    score = analysis.result.score
    if score is None or not scores:
        return
    usual = median(scores)
    beyond = abs(score - usual) - score_tolerance
    if beyond > 1e-9:
        message = f"the score is {score:.2f}: for the same input it was {usual:.2f} before"
        cost = 0.1 + (_SCORE_COST - 0.1) * min(beyond / _FAR, 1.0)
        yield _finding("changed_score", message, cost)


def _fields(analysis: Analysis, last: EarlierResult) -> Iterator[Finding]:
    fields = analysis.result.fields
    both = [name for name in last.fields if not is_nothing(fields.get(name))]
    changed = [name for name in both if not _same(fields[name], last.fields[name])]
    lost = [name for name in last.fields if is_nothing(fields.get(name))]
    for names, code, most in (
        (changed, "changed_field", _CHANGED_COST),
        (lost, "lost_field", _LOST_COST),
    ):
        for name in names[:_MAX_NAMED]:
            now = shown(fields.get(name)) if code == "changed_field" else "null"
            message = f"{name} is {now}: for the same input it was {shown(last.fields[name])}"
            yield _finding(code, message, most, name)


def _same(value: object, earlier: str) -> bool:
    if isinstance(value, str | bool | int | float):
        text = str(value)
        return words_of(text) == words_of(earlier) or agree(text, earlier)
    return True


def _finding(code: str, message: str, cost: float, field: str | None = None) -> Finding:
    return Finding(code=code, dimension="consistency", message=message, cost=cost, field=field)
