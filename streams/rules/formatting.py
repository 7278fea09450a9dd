"""Write what a rule found in sentences that a person understands."""

from collections.abc import Mapping
from typing import Any

from schemas.numbers import plain
from schemas.rules import Operator
from streams.channels.templates import TemplateFailed, render
from streams.rules.firing import LAPSE
from streams.rules.kind_protocol import Kind

SIGNS: dict[Operator, str] = {
    "less_than": "<",
    "less_than_or_equal": "≤",
    "greater_than": ">",
    "greater_than_or_equal": "≥",
}
_MAX_SUMMARY = 2000
_THREE_DIGITS = 100


def not_judged(kind: Kind[Any], series: str, *, too_few: bool) -> str:
    """Return that there is nothing any more to judge a series by."""
    samples, least = kind.samples_of, getattr(kind.rule, "min_samples", None)
    few = f"fewer than {least} {samples}" if least else f"too few {samples}"
    why = few if too_few else f"no {samples}"
    return f"{kind.rule.name} on {series} is no longer judged: {why} for {LAPSE} min"


def summary(template: str | None, plain: str, values: Mapping[str, object]) -> str:
    """Return the operator's template with the values in it; the plain sentence if it fails."""
    if template is None:
        return plain
    try:
        return render(template, {**values, "sentence": plain})[:_MAX_SUMMARY] or plain
    except TemplateFailed:
        return plain


def counted(samples: int, noun: str) -> str:
    """Return how many samples there are."""
    return f"{samples} {noun.removesuffix('s') if samples == 1 else noun}"


def figure(value: float, unit: str = "") -> str:
    """Return a number with about three digits, never rounded onto a whole it is not, and unit."""
    text = f"{value:.1f}".removesuffix(".0") if abs(value) >= _THREE_DIGITS else plain(value, 3)
    return text + spaced(unit)


def spaced(unit: str) -> str:
    """Return a unit as it follows a number."""
    return unit if unit.startswith("/") or not unit else f" {unit}"
