"""Say which channels asked to be sent nothing more, and took no test since."""

from collections.abc import Iterable

from schemas.notifications import Notification
from streams.alerting.routing import why_gone


def gone_channels(decisions: Iterable[Notification]) -> dict[str, str]:
    """Return why nothing is sent to each, by its name; the decisions come in their order."""
    found: dict[str, str] = {}
    for one in decisions:
        name = one.channel
        if name is None:
            continue
        if one.reason == "sent":
            found.pop(name, None)
        elif one.reason == "gave_up" and one.sentence.startswith(why_gone(name)):
            found[name] = why_gone(name)
    return found
