"""Score the accuracy of an analysis: is it complete, well-formed, and what its input says.

Each finding takes its cost of what is left of 1:

| finding | cost |
|---|---|
| `empty_result`: no label, no score, no field | 0.9 |
| `missing_field`: a required field is null | 0.5 |
| `malformed_value`: not of its form, or what a program left there | 0.4 |
| `invented_quote`: nothing like it stands in the input | 0.5 |
| `altered_quote`: the input has another figure or a `not`; other words | 0.45; 0.35 |
| `invented_value`: the input does not have it; times the share that is missing | |
| – of a verbatim field | 0.65 |
| – a number, or with a number | 0.4 |
| – a date | 0.35 |
| – of another field | 0.25 |
| `value_not_in_evidence`: the quotes for a field do not have its value | 0.35 |
| `wrong_value`: a fact or a verified label says otherwise; unverified | 0.65; 0.45 |
| `missed_value`: null, where a fact, a label or `name: …` in the input has a value | 0.35 |
| `wrong_verdict`: a fact or a verified label says otherwise; unverified | 0.7; 0.5 |

Of an excerpt's absence quotes and values take 0.4 of that. A value that a fact or label confirms is
not looked for in the input.
"""

from collections.abc import Iterator

from pydantic import JsonValue

from schemas.analyses import Analysis, AnalysisInput
from schemas.labels import VERDICT
from schemas.quality_config import Expected
from schemas.quality_scores import Finding
from streams.quality.agreement import is_true, same_label
from streams.quality.assessor import Assessed, Context, Truth, assessed, shown
from streams.quality.evidence import missed_findings, quote_findings, value_findings
from streams.quality.field_kinds import snake_case
from streams.quality.text import SearchText
from streams.quality.values import is_nothing, is_withheld
from streams.quality.well_formed import malformed, wrong_order

_EMPTY_COST = 0.9
_MISSING_COST = 0.5
_MALFORMED_COST = 0.4
_WRONG_COST = 0.65
_WRONG_UNVERIFIED_COST = 0.45
_MISSED_COST = 0.35
_VERDICT_COST = 0.7
_VERDICT_UNVERIFIED_COST = 0.5
#: A fact by one of these names is about the label.
_VERDICT_NAMES = (VERDICT, "label")


class Accuracy:
    """Assesses whether an analysis is right, as far as its input, facts and labels say."""

    name = dimension = "accuracy"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:
        """Return the score of the dimension; None where there is nothing to judge."""
        expected = context.config.expected_of(analysis.operation, analysis.platform)
        result = analysis.result
        if _is_empty(analysis):
            message = "the result is empty: no label, no score, no field"
            return assessed([_finding("empty_result", message, _EMPTY_COST)])
        truths = _truths(analysis.input, context)
        text = _search_text(analysis.input)
        findings = [*_form(analysis, expected, text), *_against(analysis, truths)]
        if text is not None:
            settled = {name for name in truths if result.fields.get(name) is not None}
            settled |= {found.field for found in findings if found.field}
            findings += quote_findings(analysis, text)
            findings += value_findings(analysis, text, expected, settled)
            findings += missed_findings(analysis, text, expected, settled)
        elif not (expected.required or truths or result.fields):
            return None
        return assessed(findings)


def _is_empty(analysis: Analysis) -> bool:
    result = analysis.result
    has_field = any(not is_nothing(value) for value in result.fields.values())
    return result.label is None and result.score is None and not has_field


def _search_text(source: AnalysisInput) -> SearchText | None:
    if source.text is None or not source.text.strip():
        return None
    # A page's address often names the company and the place.
    return SearchText(f"{source.text}\n{source.url}" if source.url else source.text)


def _truths(source: AnalysisInput, context: Context) -> dict[str, Truth]:
    """Return what is known to be true, by field or `verdict`; labels over facts."""
    facts = {name: Truth(value, verified=True) for name, value in (source.facts or {}).items()}
    for name in _VERDICT_NAMES:
        if name in facts:
            facts.setdefault(VERDICT, facts[name])
    return facts | dict(context.labels)


def _form(analysis: Analysis, expected: Expected, text: SearchText | None) -> Iterator[Finding]:
    result = analysis.result
    for name in expected.required:
        value = result.label if name in _VERDICT_NAMES else result.fields.get(name)
        if is_nothing(value) and not (text and is_withheld(snake_case(name), text)):
            how = "null" if name in result.fields or name in _VERDICT_NAMES else "not there"
            how = how if value is None else f"{shown(value)}, which says nothing"
            message = f"{name} is required, and is {how}"
            yield _finding("missing_field", message, _MISSING_COST, name)
    for name, value in result.fields.items():
        if not is_nothing(value):
            wrong = malformed(snake_case(name), value, expected.formats.get(name))
            if wrong is not None:
                message = f"{name} {shown(value)} {wrong}"
                yield _finding("malformed_value", message, _MALFORMED_COST, name)
    for name, message in wrong_order(result.fields):
        yield _finding("malformed_value", message, _MALFORMED_COST, name)


def _against(analysis: Analysis, truths: dict[str, Truth]) -> Iterator[Finding]:
    """Yield where facts and labels say otherwise."""
    result = analysis.result
    for name, truth in truths.items():
        if name in result.fields:
            yield from _field_against(name, result.fields[name], truth)
        elif name == VERDICT and _is_wrong(result.label, truth):
            message = f"the verdict is {result.label}: {_knower(truth)} {shown(truth.value)}"
            cost = _VERDICT_COST if truth.verified else _VERDICT_UNVERIFIED_COST
            yield _finding("wrong_verdict", message, cost)


def _is_wrong(label: str | None, truth: Truth) -> bool:
    if label is None or is_nothing(truth.value):
        return False
    return not same_label(label, truth.value)


def _field_against(name: str, value: JsonValue, truth: Truth) -> Iterator[Finding]:
    if is_nothing(value):
        if not is_nothing(truth.value):
            message = f"{name} is null: {_knower(truth)} {shown(truth.value)}"
            yield _finding("missed_value", message, _MISSED_COST, name)
        return
    if not is_true(value, truth.value):
        message = f"{name} is {shown(value)}: {_knower(truth)} {shown(truth.value)}"
        cost = _WRONG_COST if truth.verified else _WRONG_UNVERIFIED_COST
        yield _finding("wrong_value", message, cost, name)


def _knower(truth: Truth) -> str:
    return "known to be true is" if truth.verified else "a label that nobody verified says"


def _finding(code: str, message: str, cost: float, field: str | None = None) -> Finding:
    return Finding(code=code, dimension="accuracy", message=message, cost=cost, field=field)
