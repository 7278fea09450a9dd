"""A message in words: title, text, fields and links, the same in all channels."""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.aggregates import Exemplar, QualityExemplar
from schemas.breaches import NO_RECOVERY, Breach
from streams.channels.message import Message
from streams.channels.templates import TemplateFailed, render
from streams.channels.text_format import ELLIPSIS, fit, lines, link, moment, one_line, quantity

#: Room for every name that opwatch itself gives: rule, operation and an escaped platform.
MAX_NAME = 520
MAX_TITLE = MAX_NAME + 80
#: A line about one of several alerts, unless its name alone is longer.
MAX_LISTED_TEXT = 200
#: A template sees this many further alerts; those it does not name are listed below its text.
MAX_TEMPLATE_OTHERS = 20
_FINGERPRINT = 8
MAX_EXEMPLARS = 3

_PAST = {
    "less_than": "below",
    "less_than_or_equal": "at or below",
    "greater_than": "above",
    "greater_than_or_equal": "at or above",
}

#: Events that call people, and do not only keep them informed.
CALLS = ("opened", "severity_raised", "escalated", "summary", "test")
_NOTHING_TO_ACKNOWLEDGE = ("resolved", "acknowledged", "test")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A figure beside its name."""

    title: str
    value: str
    short: bool = True


@dataclass(frozen=True, kw_only=True)
class Link:
    """Where to look or what to do, as a button says it."""

    text: str
    url: str


def title(message: Message) -> str:
    """Return one line: `[HIGH] success on parse{platform="lever"} and 29 more`."""
    named = f"[{_state(message)}] {name(message.breach)}"
    more = f" and {len(message.others)} more" if message.others else ""
    return fit(named, MAX_TITLE - len(more)) + more


def name(breach: Breach) -> str:
    """Return what is wrong where, in one line; one that is too long ends in its fingerprint."""
    whole = one_line(f"{breach.rule} on {breach.series}")
    if len(whole) <= MAX_NAME:
        return whole
    ending = f"{ELLIPSIS} ({one_line(breach.fingerprint)[:_FINGERPRINT]})"
    return whole[: MAX_NAME - len(ending)] + ending


def _state(message: Message) -> str:
    severity = message.breach.severity.upper()
    match message.event:
        case "resolved":
            ended = "ENDED" if message.breach.why in NO_RECOVERY else "RESOLVED"
            return f"OPENED AND {ended}" if message.announces_opening else ended
        case "not_judged":
            return f"{severity}, no longer judged"
        case "judged_again":
            return f"{severity}, judged again"
        case "severity_raised":
            return f"{severity}, raised"
        case "escalated":
            return f"{severity}, not acknowledged"
        case "acknowledged":
            return "ACKNOWLEDGED"
        case "test":
            return "TEST"
        case _:
            return severity


def is_unknown(message: Message) -> bool:
    """Whether the message says that nobody knows if it is well again: then it is never green."""
    ended = message.event == "resolved" and message.breach.why in NO_RECOVERY
    return ended or message.event == "not_judged"


def text(message: Message, template: str | None = None) -> str:
    """Return what happened to the first alert, by the channel's template or in our words.

    A template that fails never swallows the page: our words stand, and say that it failed.
    """
    if template is None:
        return _default(message)
    try:
        return by_template(message, template)
    except TemplateFailed as failure:
        return f"{_default(message)}\n(The channel's template failed: {failure})"


def by_template(message: Message, template: str) -> str:
    """Return what happened in the words of a channel's template.

    Raises:
        TemplateFailed: it does not fit, or does not render.
    """
    return lines(render(template, values(message)))


def _default(message: Message) -> str:
    breach = message.breach
    sentences = [lines(breach.summary)]
    if message.announces_opening and breach.resolved_ms is not None:
        sentences.append(
            f"Opened {moment(breach.opened_ms)}, resolved {moment(breach.resolved_ms)};"
            " no message about the opening got through in between."
        )
    if message.event == "acknowledged":
        sentences.append(_by("Acknowledged by", message))
    if message.event == "test":
        sentences.append(_by("A test, and nothing else, asked for by", message))
    return "\n".join(sentences)


def _by(what: str, message: Message) -> str:
    who = one_line(message.acknowledged_by) or "somebody"
    return f"{what} {who}."


def unnamed(message: Message, written: str) -> list[Breach]:
    """Return the further alerts that a text does not name yet."""
    lines = set(written.splitlines())
    return [
        other
        for other in message.others
        if (line := short(other)) not in lines and f"{line}: " not in written
    ]


def shortened(what: str, fits: Callable[[str], bool]) -> str:
    """Return the text, cut until it fits; then `unnamed` is to be asked anew."""
    while what and not fits(what):
        what = fit(what, len(what) // 2)
    return what


def listed(breach: Breach) -> str:
    """Return one line about one of several alerts."""
    line = short(breach)
    if len(line) + 2 >= MAX_LISTED_TEXT:
        return line
    return fit(f"{line}: {one_line(breach.summary)}", MAX_LISTED_TEXT)


def short(breach: Breach) -> str:
    """Return the least that tells one of several alerts from the others."""
    state = breach.severity.upper()
    if breach.state == "resolved":
        state = "ENDED" if breach.why in NO_RECOVERY else "RESOLVED"
    elif not breach.judged:
        state += ", no longer judged"
    return f"[{state}] {name(breach)}"


def fields(message: Message) -> list[Field]:
    """Return severity, service and time, and what was observed against the threshold."""
    breach = message.breach
    shown = [
        Field(title="Severity", value=breach.severity.capitalize()),
        Field(title="Service", value=service(breach)),
        Field(title="Time", value=when(breach), short=breach.resolved_ms is None),
    ]
    if observation := observed(breach):
        shown.append(Field(title="Observed", value=observation, short=False))
    if breach.exemplars:
        shown.append(Field(title="Examples", value=exemplars(breach), short=False))
    return shown


def service(breach: Breach) -> str:
    """Return what people know it by: the service, else the operation, else the series."""
    labels = breach.labels
    return one_line(labels.get("service") or labels.get("operation") or breach.series)


def when(breach: Breach) -> str:
    """Return when it opened and, if it did, resolved."""
    opened = moment(breach.opened_ms)
    if breach.resolved_ms is None:
        return opened
    return f"{opened} – {moment(breach.resolved_ms)}"


def observed(breach: Breach) -> str:
    """Return `Success rate 91.2 % (threshold: below 95 %; 240 samples)`, or nothing."""
    if breach.observed is None:
        return ""
    notes = []
    if breach.threshold is not None:
        past = f"{_PAST[breach.operator]} " if breach.operator else ""
        notes.append(f"threshold: {past}{quantity(breach.threshold, breach.unit)}")
    if breach.samples:
        notes.append(f"{breach.samples:,} samples")
    metric = f"{breach.metric.replace('_', ' ').capitalize()} " if breach.metric else ""
    figure = f"{metric}{quantity(breach.observed, breach.unit)}"
    return one_line(f"{figure} ({'; '.join(notes)})" if notes else figure)


def exemplars(breach: Breach) -> str:
    """Return some operations, or analyses, worth looking at."""
    return ", ".join(one_line(_exemplar(it)) for it in breach.exemplars[:MAX_EXEMPLARS])


def _exemplar(exemplar: Exemplar | QualityExemplar) -> str:
    if isinstance(exemplar, QualityExemplar):
        finding = f", {fit(exemplar.finding, 60)}" if exemplar.finding else ""
        return f"{fit(exemplar.id, 100)} ({exemplar.score:.2f}{finding})"
    error_type = f" ({fit(exemplar.error_type, 60)})" if exemplar.error_type else ""
    return fit(exemplar.id, 100) + error_type


def links(message: Message) -> list[Link]:
    """Return the dashboard, the runbook and, while it is not resolved, where to acknowledge."""
    to_come = message.event not in _NOTHING_TO_ACKNOWLEDGE
    named = {
        "View dashboard": message.breach.dashboard,
        "Runbook": message.breach.runbook,
        "Acknowledge": message.acknowledge_url if to_come else None,
    }
    return [Link(text=text, url=url) for text, to in named.items() if (url := link(to))]


def values(message: Message) -> dict[str, object]:
    """Return what a template may name."""
    breach = message.breach
    return {
        "event": message.event,
        "title": title(message),
        "text": _default(message),
        "level": message.level,
        "acknowledged_by": message.acknowledged_by,
        "others": [listed(other) for other in message.others[:MAX_TEMPLATE_OTHERS]],
        "acknowledge_url": link(message.acknowledge_url),
        "when": when(breach),
        "service": service(breach),
        "observation": observed(breach),
        **{name: getattr(breach, name) for name in TEMPLATE_FIELDS},
        "labels": dict(breach.labels),
        "evidence": dict(breach.evidence),
    }


#: The breach's fields that a template may name by themselves.
TEMPLATE_FIELDS = (
    "rule",
    "kind",
    "series",
    "severity",
    "state",
    "summary",
    "metric",
    "operator",
    "threshold",
    "observed",
    "unit",
    "samples",
    "confirmed",
    "runbook",
    "dashboard",
)
