"""Check what a rule file's texts hold; each refusal says what to write."""

from collections.abc import Iterable
from typing import Literal

from pydantic import ValidationInfo

from schemas.fields import QUALITY_DIMENSIONS
from schemas.guesses import hint
from schemas.matchers import parse_matchers

SERVICE: Literal["service"] = "service"
MODEL = "model"

SeriesKind = Literal["operations", "service", "quality"]
#: What `each` and `match` may name, by what the series are of.
_LABELS: dict[SeriesKind, tuple[str, ...]] = {
    "operations": ("operation", "platform", "confidence"),
    "service": (SERVICE,),
    "quality": ("operation", "platform", MODEL),
}
_OF: dict[SeriesKind, str] = {
    "operations": "operations",
    "service": "a service",
    "quality": "scores of analyses",
}


def link(text: str) -> str:
    """Return the text if it is a link that a browser opens."""
    if not text.startswith(("https://", "http://")) or any(map(str.isspace, text)):
        message = "is no link: write https://…"
        raise ValueError(message)
    return text


def template(text: str) -> str:
    """Return the text if it is a template for messages."""
    from schemas.templates import BadTemplate, NotJinja, parse  # Jinja takes a while to import

    try:
        parse(text)
    except NotJinja as error:
        message = f"is no Jinja template: {error}; write {{{{ observed }}}} for a value"
        raise ValueError(message) from None
    except BadTemplate as error:
        message = f"is no template for messages: {error}"
        raise ValueError(message) from None
    return text


def matcher_text(text: str) -> str:
    """Return the text if it is label matchers of dimensions that series have."""
    dimensions = ("operation", "platform", "confidence", MODEL, SERVICE)
    for matcher in parse_matchers(text):
        if matcher.label not in dimensions:
            message = f"no series has a label {matcher.label!r}; {hint(matcher.label, dimensions)}"
            raise ValueError(message)
    return text


def kind_named(labels: Iterable[str]) -> SeriesKind:
    """Return what series are of that have these labels, where a rule does not say it."""
    named = set(labels)
    return "service" if SERVICE in named else "quality" if MODEL in named else "operations"


def series_of(metric: str) -> SeriesKind:
    """Return what the series of a metric are of."""
    if metric == "uptime":
        return SERVICE
    return "quality" if metric in QUALITY_DIMENSIONS else "operations"


def selection(info: ValidationInfo, *, of: SeriesKind | None, what: str) -> None:
    """Refuse `each` and `match` that select nothing there is.

    Args:
        info: the fields read so far.
        of: what the series are of; None: of what the labels are of.
        what: names what the rule looks at.
    """
    if "split_by" not in info.data or "match" not in info.data:
        return  # wrong themselves
    split_by = set(info.data["split_by"])
    matchers = parse_matchers(info.data["match"]) if info.data["match"] else ()
    exact = {matcher.label for matcher in matchers if matcher.operator == "="}
    named = split_by | {matcher.label for matcher in matchers}
    if of is None:
        of = kind_named(named)
    strange = named.difference(_LABELS[of])
    if strange:
        names = listed(sorted(strange))
        message = f"{what} is of {_OF[of]}: `each` and `match` cannot name {names}"
        raise ValueError(message)
    if of == "service" and not named:
        message = f'{what} is of a service: write `each: service` or `match: service="…"` too'
        raise ValueError(message)
    for label, words in (("confidence", "confidence level"), (MODEL, MODEL)):
        if {"platform", label} <= named:
            message = f"no series has both a platform and a {words}: leave one out"
            raise ValueError(message)
    for label in sorted(named - split_by - exact):
        message = f"`match` may select several of {label}: write `each: {label}` too"
        raise ValueError(message)


def listed(names: Iterable[object]) -> str:
    """Return names for a sentence."""
    return ", ".join(str(name) for name in names)
