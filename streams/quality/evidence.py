"""Find what an analysis quotes or extracts that its input does not say."""

from collections.abc import Iterator

from pydantic import JsonValue

from schemas.analyses import Analysis
from schemas.quality_config import Expected
from schemas.quality_scores import Finding
from streams.quality.assessor import shown
from streams.quality.days import day_of
from streams.quality.field_kinds import FieldKind, kind_of, snake_case
from streams.quality.quotes import quote_in
from streams.quality.text import SearchText, words_of
from streams.quality.values import is_nothing, named_value, number_support, text_support

_INVENTED_QUOTE_COST = 0.5
_ALTERED_QUOTE_COST = 0.35
#: With another figure, or a negation more or fewer.
_TURNED_QUOTE_COST = 0.45
_VERBATIM_COST = 0.65
_OTHER_COST = 0.4
_DATE_COST = 0.35
#: Of a field of which nobody knows its kind: it may be a category, or in other words.
_WORDS_COST = 0.25
_NOT_IN_EVIDENCE_COST = 0.35
_MISSED_COST = 0.35
#: Of a cost: what an excerpt lacks may stand elsewhere in the input.
_EXCERPT = 0.4
#: A value of which less stands in the input is a finding.
_SUPPORTED = 0.75
_LONG_TEXT_WORDS = 4
_MAX_LEAVES = 10
_MAX_DEPTH = 4


def quote_findings(analysis: Analysis, text: SearchText) -> Iterator[Finding]:
    """Yield the quotes that do not stand in the text."""
    weight = _EXCERPT if analysis.input.is_excerpt else 1.0
    for evidence in analysis.result.evidence:
        found = quote_in(evidence.quote, text)
        if found is None or found.verdict == "real":
            continue
        quote = shown(evidence.quote)
        if found.verdict == "invented":
            code, cost = "invented_quote", _INVENTED_QUOTE_COST
            message = (
                f"the quote {quote} is not in the input: the most similar passage has"
                f" {found.similarity:.0f} of 100"
            )
        else:
            code = "altered_quote"
            cost = _TURNED_QUOTE_COST if found.is_turned else _ALTERED_QUOTE_COST
            message = f"the input says the quote {quote} otherwise" + (
                f": not there is {shown(found.difference)}" if found.difference else ""
            )
        yield _finding(code, message, cost * weight, evidence.field)


def value_findings(
    analysis: Analysis, text: SearchText, expected: Expected, settled: set[str]
) -> Iterator[Finding]:
    """Yield the fields whose value does not stand in the text, or not in the quotes for it.

    Args:
        analysis: the analysis.
        text: of its input.
        expected: which fields stand in the input as they are, and which do not.
        settled: fields of which it is known whether they are right.
    """
    weight = _EXCERPT if analysis.input.is_excerpt else 1.0
    quotes = _quotes_by_field(analysis)
    for name, value in analysis.result.fields.items():
        kind = kind_of(name, expected)
        if kind == "paraphrased" or name in settled or is_nothing(value):
            continue
        support = _support(value, kind, text)
        if support is not None and support < _SUPPORTED:
            cost = _cost_of(value, kind) * (1 - support) * weight
            message = f"{name} {shown(value)} is not in the input" + (
                f": {support:.0%} of it is" if support else ""
            )
            yield _finding("invented_value", message, cost, name)
        elif kind == "verbatim" and _is_in_no_quote(value, quotes.get(name)):
            message = f"{name} {shown(value)} is not in the quotes that support it"
            yield _finding("value_not_in_evidence", message, _NOT_IN_EVIDENCE_COST, name)


def _is_in_no_quote(value: JsonValue, quotes: SearchText | None) -> bool:
    return quotes is not None and isinstance(value, str) and text_support(value, quotes) == 0


def missed_findings(
    analysis: Analysis, text: SearchText, expected: Expected, settled: set[str]
) -> Iterator[Finding]:
    """Yield the fields that are null though the text has them by name: `Location: Oslo`."""
    weight = _EXCERPT if analysis.input.is_excerpt else 1.0
    for name, value in analysis.result.fields.items():
        is_derived = kind_of(name, expected) == "paraphrased"
        if is_nothing(value) and name not in settled and not is_derived:
            there = named_value(snake_case(name), text)
            if there is not None:
                message = f"{name} is null: the input says {shown(there)}"
                yield _finding("missed_value", message, _MISSED_COST * weight, name)


def _quotes_by_field(analysis: Analysis) -> dict[str, SearchText]:
    quotes: dict[str, str] = {}
    for evidence in analysis.result.evidence:
        if evidence.field in analysis.result.fields:
            quotes[evidence.field] = f"{quotes.get(evidence.field, '')}\n{evidence.quote}"
    return {name: SearchText(text) for name, text in quotes.items()}


def _support(value: JsonValue, kind: FieldKind, text: SearchText) -> float | None:
    """Return how far a value stands in the text; of a list the mean of its elements."""
    supports = [_leaf_support(leaf, kind, text) for leaf in _leaves(value)]
    judged = [support for support in supports if support is not None]
    return sum(judged) / len(judged) if judged else None


def _leaf_support(leaf: JsonValue, kind: FieldKind, text: SearchText) -> float | None:
    if isinstance(leaf, bool) or is_nothing(leaf):
        return None
    if isinstance(leaf, int | float):
        return number_support(leaf, text)
    if not isinstance(leaf, str):
        return None
    if kind == "other" and _is_in_other_words(leaf):
        return None if text_support(leaf, text) != 1.0 else 1.0
    return text_support(leaf, text)


def _is_in_other_words(value: str) -> bool:
    """Return whether a value is a category, such as `full_time`, or a sentence."""
    is_category = value == value.lower() and not _has_digit(value)
    return is_category or len(value.split()) > _LONG_TEXT_WORDS


def _cost_of(value: JsonValue, kind: FieldKind) -> float:
    if isinstance(value, str) and day_of(value, words_of(value).split()):
        return _DATE_COST
    if kind == "verbatim" and not isinstance(value, int | float):
        return _VERBATIM_COST
    if isinstance(value, int | float) or _has_digit(value):
        return _OTHER_COST
    return _WORDS_COST


def _has_digit(value: JsonValue) -> bool:
    return isinstance(value, str) and any(map(str.isdigit, value))


def _leaves(value: JsonValue) -> list[JsonValue]:
    """Return the first plain values of a nested one."""
    level: list[JsonValue] = [value]
    leaves: list[JsonValue] = []
    for _ in range(_MAX_DEPTH):
        nested: list[JsonValue] = []
        for item in level[:_MAX_LEAVES]:
            if isinstance(item, list):
                nested += item[:_MAX_LEAVES]
            elif isinstance(item, dict):
                nested += list(item.values())[:_MAX_LEAVES]
            else:
                leaves.append(item)
        level = nested
    return leaves[:_MAX_LEAVES]


def _finding(code: str, message: str, cost: float, field: str | None) -> Finding:
    return Finding(code=code, dimension="accuracy", message=message, cost=cost, field=field)
