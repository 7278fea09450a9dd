"""Show a silence: whose it is, of what and until when, and let who may end it."""

import time
from typing import Any, ClassVar

from agents.dashboard.page import NotThere, Parts, Query, Sections
from schemas.matchers import matches
from streams.alerting.pipeline import labels_of
from streams.audit.status import SilenceState, SilenceStatus, silence_statuses

#: Silences in these states can be ended.
OPEN: tuple[SilenceState, ...] = ("active", "pending", "unanswered")
_MOST_ALERTS = 50


class SilencePage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/silences/"
    title: ClassVar[str] = "Silence"
    template: ClassVar[str] = "silence.html"
    names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        found = self._status(query["id"])
        return {"silence": found.silence, "is_open": found.state in OPEN}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, found = self._parts, self._status(query["id"])
        alerts = [
            alert
            for alert in parts.world.alerts()
            if alert.state != "resolved"
            and matches(found.silence.matchers, labels_of(alert.breach))
        ]
        context = {"it": found, "alerts": alerts[:_MOST_ALERTS]}
        return {
            name: parts.render(f"silence/{name}.html", **context) for name in ("heading", "facts")
        }

    def _status(self, name: str) -> SilenceStatus:
        """Return how a silence stands.

        Raises:
            NotThere: there is none.
        """
        for found in silence_statuses(self._parts.world.log, int(time.time() * 1000)):
            if found.silence.id == name:
                return found
        raise NotThere
