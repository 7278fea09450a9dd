"""List alerts, the open ones first; show one with its whole story."""

import time
from typing import Any, ClassVar

from agents.dashboard.page import NotThere, Parts, Query, Sections, severity_of
from agents.dashboard.silence_page import OPEN
from schemas.breaches import Breach
from schemas.rules import SEVERITIES
from streams.audit.status import silence_statuses
from streams.dashboard.stories import alert_story, listed_alerts, notified

#: How long a silence may be that is asked for here.
SILENCES = ("15m", "1h", "4h", "12h", "1d", "7d")


class AlertsPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/alerts"
    title: ClassVar[str] = "Alerts"
    template: ClassVar[str] = "alerts.html"
    names: ClassVar[tuple[str, ...]] = ("q", "severity")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        del query
        return {"severities": SEVERITIES}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, world = self._parts, self._parts.world
        is_loading = parts.freshness.is_loading
        statuses = [] if is_loading else world.alerts()
        found = listed_alerts(statuses, query.get("q", ""), severity_of(query))
        silences = [] if is_loading else silence_statuses(world.log, int(time.time() * 1000))
        context = {
            "found": found,
            "loading": is_loading,
            "searches": bool(query),
            "notified": notified,
            "silences": [it for it in silences if it.state in OPEN],
        }
        names = ("heading", "open", "silences", "over")
        return {name: parts.render(f"alerts/{name}.html", **context) for name in names}


class AlertPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/alerts/"
    title: ClassVar[str] = "Alert"
    template: ClassVar[str] = "alert.html"
    names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        breach = self.breach(query["id"])
        return {"breach": breach, "silences": SILENCES}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, world = self._parts, self._parts.world
        status = world.alert(query["id"])
        if status is None:
            raise NotThere
        story = alert_story(world.log, status, world.undelivered.values())
        context = {"story": story, "breach": story.status.breach}
        names = ("heading", "evidence", "channels", "history")
        return {name: parts.render(f"alert/{name}.html", **context) for name in names}

    def breach(self, fingerprint: str) -> Breach:
        """Return how an alert stands.

        Raises:
            NotThere: there is none.
        """
        if fingerprint not in self._parts.world.log.breaches:
            raise NotThere
        return self._parts.world.log.newest(fingerprint)
