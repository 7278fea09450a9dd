"""Put pages together: find the page of an address, render it whole, and its sections alone."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from agents.dashboard.alerts_page import AlertPage, AlertsPage
from agents.dashboard.freshness import Freshness
from agents.dashboard.gate import Access
from agents.dashboard.overview_page import OverviewPage
from agents.dashboard.page import DEFAULT_SPAN, NotThere, OpenPage, Page, Parts, Sections, checked
from agents.dashboard.quality_page import QualityPage
from agents.dashboard.rendering import environment
from agents.dashboard.role_states import RoleStates
from agents.dashboard.series_page import SeriesPage
from agents.dashboard.service_pages import ObjectivesPage, PipelinePage, ServicesPage
from agents.dashboard.silence_page import SilencePage
from agents.dashboard.stored_spans import StoredSpans
from agents.dashboard.watermark_delays import WatermarkDelays
from agents.dashboard.world import World
from agents.rule_file.load import LoadedRules
from agents.rule_file.reload import RuleSource
from agents.runtime.settings import Settings
from streams.dashboard.targets import parse_claim, parse_targets
from streams.dashboard.tiles import Promises
from streams.measure.series import ALL
from streams.rules.error_budget import Objectives

STATIC = Path(__file__).with_name("static")


class Site:
    """All pages."""

    def __init__(
        self,
        settings: Settings,
        world: World,
        freshness: Freshness,
        rules: RuleSource,
        groups: RoleStates,
        delays: WatermarkDelays,
        stored: StoredSpans,
    ) -> None:
        self._freshness = freshness
        self._rules = rules
        self._templates = environment()
        self._targets = parse_targets(settings.dashboard_targets)
        self._claim = parse_claim(settings.dashboard_claim)
        self._compiled: tuple[LoadedRules, Objectives] | None = None
        self._version = _version_of_static()
        self.parts = parts = Parts(world, freshness, self.promises, self.render)
        self._pages: list[Page] = [
            OverviewPage(parts),
            SeriesPage(parts, stored),
            AlertsPage(parts),
            AlertPage(parts),
            SilencePage(parts),
            QualityPage(parts),
            ServicesPage(parts),
            ObjectivesPage(parts, self.objectives),
            PipelinePage(parts, groups, delays),
        ]

    def open(self, path: str, query: Mapping[str, str]) -> OpenPage:
        """Return a page as a query asks for it.

        Raises:
            NotThere: there is none.
            BadQuery: the query cannot be.
        """
        page, rest = self._page_at(path)
        chosen = {name: query[name] for name in page.names if query.get(name)}
        if rest:
            chosen["id"] = rest
        return OpenPage(page, path, tuple(sorted(checked(chosen).items())))

    def _page_at(self, path: str) -> tuple[Page, str]:
        """Return the page, and the name behind the path of one that shows many things."""
        for page in self._pages:
            shows_many = page.path.endswith("/") and page.path != "/"
            if page.path == path and not shows_many:
                return page, ""
            if shows_many and path.startswith(page.path) and path != page.path:
                return page, path.removeprefix(page.path)
        raise NotThere

    def sections(self, opened: OpenPage) -> Sections:
        """Return the sections of a page as they are now.

        Raises:
            NotThere: what the query names is not there.
            BadQuery: the query cannot be.
        """
        return opened.page.sections(dict(opened.query)) | {"notices": self.notices()}

    def whole(self, opened: OpenPage, access: Access, *, can_act: bool) -> str:
        """Return a page as HTML; raises what `sections` does."""
        page, query = opened.page, dict(opened.query)
        return self.render(
            page.template,
            title=page.title,
            path=page.path.rstrip("/") or "/",
            live=opened.live,
            menu=[it for it in self._pages if it.path == "/" or not it.path.endswith("/")],
            now_ms=int(time.time() * 1000),
            access=access,
            can_act=can_act,
            query=dict.fromkeys(page.names, "") | {"span": DEFAULT_SPAN, "operation": ALL} | query,
            # Templates of ours made them, and escaped what is in them.
            sections={name: Markup(html) for name, html in self.sections(opened).items()},  # noqa: S704
            **page.context(query),
        )

    def notices(self) -> str:
        """Return what is not as it should be, as HTML."""
        return self.render("notices.html", notices=self._freshness.notices())

    def promises(self, operation: str = ALL) -> Promises:
        """Return what the figures of an operation are judged by."""
        labels = {} if operation == ALL else {"operation": operation}
        objectives = self.objectives().of("operations", labels)
        success = [it.objective for it in objectives if it.below is None]
        return Promises(self._targets, self._claim, max(success, default=None))

    def objectives(self) -> Objectives:
        """Return the objectives of the rule file that is in effect."""
        if self._compiled is None or self._compiled[0] is not self._rules.loaded:
            loaded = self._rules.loaded
            self._compiled = loaded, Objectives(loaded.rules)
        return self._compiled[1]

    def render(self, template: str, **context: Any) -> str:
        """Return a template filled in."""
        return self._templates.get_template(template).render({"version": self._version} | context)


def _version_of_static() -> str:
    """Return what changes when a script or a style changes, so that browsers fetch it anew."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
