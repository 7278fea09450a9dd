"""Check what a rule file's texts hold; each refusal says what to write."""

from collections.abc import Iterable

from pydantic import ValidationInfo

from schemas.matchers import parse_matchers

SERVICE = "service"


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
    dimensions = ("operation", "platform", "confidence", SERVICE)
    for matcher in parse_matchers(text):
        if matcher.label not in dimensions:
            message = f"no series has a label {matcher.label!r}: write one of {listed(dimensions)}"
            raise ValueError(message)
    return text


def selection(info: ValidationInfo, *, of_services: bool | None, what: str) -> None:
    """Refuse `each` and `match` that select nothing there is.

    Args:
        info: the fields read so far.
        of_services: whether the series are services', or operations'; None: either.
        what: names what the rule looks at.
    """
    if "split_by" not in info.data or "match" not in info.data:
        return  # wrong themselves
    split_by = set(info.data["split_by"])
    matchers = parse_matchers(info.data["match"]) if info.data["match"] else ()
    exact = {matcher.label for matcher in matchers if matcher.operator == "="}
    named = split_by | {matcher.label for matcher in matchers}
    if of_services is None:
        of_services = SERVICE in named
    strange = named - {SERVICE} if of_services else named & {SERVICE}
    if strange:
        of = "a service" if of_services else "operations"
        message = f"{what} is of {of}: `each` and `match` cannot name {listed(sorted(strange))}"
        raise ValueError(message)
    if of_services and not named:
        message = f'{what} is of a service: write `each: service` or `match: service="…"` too'
        raise ValueError(message)
    if {"platform", "confidence"} <= named:
        message = "no series has both a platform and a confidence level: leave one out"
        raise ValueError(message)
    for label in sorted(named - split_by - exact):
        message = f"`match` may select several of {label}: write `each: {label}` too"
        raise ValueError(message)


def listed(names: Iterable[object]) -> str:
    """Return names for a sentence."""
    return ", ".join(str(name) for name in names)
