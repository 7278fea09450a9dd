"""Say a breach's figures in words: what was observed where and when."""

from schemas.breaches import Breach
from streams.channels.plain import fit, moment, one_line, quantity

MAX_EXEMPLARS = 3

_PAST = {
    "less_than": "below",
    "less_than_or_equal": "at or below",
    "greater_than": "above",
    "greater_than_or_equal": "at or above",
}


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
    told = f"{metric}{quantity(breach.observed, breach.unit)}"
    return one_line(f"{told} ({'; '.join(notes)})" if notes else told)


def exemplars(breach: Breach) -> str:
    """Return some operations worth looking at."""
    return ", ".join(
        one_line(fit(one.id, 100) + (f" ({fit(one.error_type, 60)})" if one.error_type else ""))
        for one in breach.exemplars[:MAX_EXEMPLARS]
    )
