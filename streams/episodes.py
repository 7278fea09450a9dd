"""Say which of an alert's episodes is its newest: the alert role and every command ask here.

Feed it an alert's breaches in the order in which they are on their topic.

    e1 opened   e1 resolved   e2 opened   e1 resolved (again)   e0 opened
    newest      newest        newest      repeat                late: e2 fires, and began later
"""

from collections.abc import Collection, Mapping
from typing import Literal

from schemas.breaches import Breach

REMEMBERED = 16
"""This many episodes are known by their revisions, besides those that are spoken of."""

Place = Literal["newest", "repeat", "late"]


def place(newest: Breach | None, revisions: Mapping[str, int], breach: Breach) -> Place:
    """Return what a breach is to its alert: how it stands now, known already, or of the past.

    An episode that nobody knows and that opens while the newest one is over is the newest, whenever
    it began: a later revision of the windows may let it begin before the one that is over. Episodes
    that fire at the same time are ordered by when they began; of the same moment, the one that
    came later on the topic is the newer one.

    Args:
        newest: as the alert stands.
        revisions: the newest revision of each episode that is known.
        breach: the next one on the topic.
    """
    last = revisions.get(breach.id)
    if last is not None and breach.revision <= last:
        return "repeat"
    if newest is None or newest.id == breach.id:
        return "newest"
    if last is not None:
        return "late"
    if newest.state == "resolved" and breach.state != "resolved":
        return "newest"
    began, newest_began = _began(breach), _began(newest)
    return "newest" if began >= newest_began else "late"


def remember(
    revisions: Mapping[str, int], breach: Breach, notified: Collection[str] = ()
) -> dict[str, int]:
    """Return the revisions with those of a breach; the oldest are forgotten.

    Args:
        revisions: before.
        breach: the next one.
        notified: episodes that are not to be forgotten.
    """
    others = {name: revision for name, revision in revisions.items() if name != breach.id}
    merged = others | {breach.id: max(breach.revision, revisions.get(breach.id, 0))}
    remembered = set(list(merged)[-REMEMBERED:])
    return {name: n for name, n in merged.items() if name in remembered or name in notified}


class Episodes:
    """An alert's episodes, as its breaches come."""

    def __init__(self) -> None:
        self.newest: Breach | None = None
        self._revisions: dict[str, int] = {}

    def take(self, breach: Breach) -> Place:
        """Take the next breach in and return what it is to its alert."""
        found = place(self.newest, self._revisions, breach)
        self._revisions = remember(self._revisions, breach)
        if found == "newest":
            self.newest = breach
        return found


def _began(breach: Breach) -> tuple[int, int]:
    return breach.since_ms, breach.opened_ms
