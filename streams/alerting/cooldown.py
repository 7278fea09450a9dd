"""Decide whether an opening is held because its channel heard of the same a short time ago.

told high     until
   |------------|        high, medium of another episode: held; critical: told
"""

from schemas.rules import Severity
from streams.alerting.pipeline import RANK
from streams.alerting.state import Mark
from streams.channels.plain import moment


def cooling(marks: list[Mark], channel: str, severity: Severity, now_ms: int) -> Mark | None:
    """Return the mark that holds an opening the longest, None if none does.

    A milder one's does not. An episode's own does: it may end and open again under its id.
    """
    holding = [
        mark
        for mark in marks
        if mark.channel == channel
        and RANK[mark.severity] >= RANK[severity]
        and mark.until_ms > now_ms
    ]
    return max(holding, key=lambda mark: mark.until_ms, default=None)


def cooling_sentence(mark: Mark) -> str:
    """Return why a mark holds an opening."""
    return (
        f"{mark.channel} was told {mark.severity} of it lately, or is about to be: cooldown until "
        f"{moment(mark.until_ms)}."
    )


def marked(marks: list[Mark], new: Mark, now_ms: int) -> list[Mark]:
    """Return the marks with one more, or one that ends later; those that are over are left out."""
    same = (new.channel, new.severity, new.breach_id)
    kept = [
        mark
        for mark in marks
        if mark.until_ms > now_ms and (mark.channel, mark.severity, mark.breach_id) != same
    ]
    earlier = [
        mark.until_ms for mark in marks if (mark.channel, mark.severity, mark.breach_id) == same
    ]
    until_ms = max(new.until_ms, *earlier) if earlier else new.until_ms
    if until_ms > now_ms:
        kept.append(Mark(new.channel, new.severity, new.breach_id, until_ms))
    return kept


def forgiven(marks: list[Mark], *breach_ids: str) -> list[Mark]:
    """Return the marks without those of episodes that ended by our own making."""
    return [one for one in marks if one.breach_id not in breach_ids]


def unmarked(marks: list[Mark], channel: str, breach_id: str) -> list[Mark]:
    """Return the marks without those of an episode on a channel that was not told after all."""
    return [one for one in marks if (one.channel, one.breach_id) != (channel, breach_id)]
