"""Put pages together: a page has sections, each of which is rendered again when it changes."""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agents.dashboard.freshness import Freshness
from agents.dashboard.rendering import address, environment
from agents.dashboard.world import World
from agents.rule_file.reload import RuleSource
from agents.runtime.settings import Settings
from streams.dashboard.overview import operation_names, overview
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import SPANS, SpanName, trailing
from streams.dashboard.targets import WORDS, parse_claim, parse_targets
from streams.dashboard.tiles import Promises
from streams.measure.series import ALL
from streams.rules.error_budget import Objectives

STATIC = Path(__file__).with_name("static")
DEFAULT_SPAN: SpanName = "1h"
_MAX_TEXT = 400
#: Of the spans that Kafka's aggregates are enough for.
LIVE_SPANS: tuple[SpanName, ...] = tuple(it for it in SPANS if it != "30d")

Sections = dict[str, str]
Query = Mapping[str, str]


class BadQuery(Exception):
    """What was asked for cannot be; the sentence says why."""


class Page(NamedTuple):
    """A page and what its sections are."""

    path: str
    title: str
    template: str
    sections: Callable[[Query], Sections]
    context: Callable[[Query], dict[str, Any]]
    """What the template needs besides the sections."""
    names: tuple[str, ...]
    """What of the query it looks at; the rest is left out."""


class Shown(NamedTuple):
    """A page as somebody looks at it."""

    page: Page
    query: tuple[tuple[str, str], ...]

    @property
    def live(self) -> str:
        """Its address, without what it does not look at."""
        return address(self.page.path, **dict(self.query))


class Pages:
    """All pages."""

    def __init__(
        self, settings: Settings, world: World, freshness: Freshness, rules: RuleSource
    ) -> None:
        self._world = world
        self._freshness = freshness
        self._rules = rules
        self._templates = environment()
        self._targets = parse_targets(settings.dashboard_targets)
        self._claim = parse_claim(settings.dashboard_claim)
        self._version = _version_of_static()
        self.pages = {
            "/": Page(
                "/",
                "Overview",
                "overview.html",
                self._overview_sections,
                self._overview_context,
                ("span", "operation"),
            ),
        }

    def shown(self, path: str, query: Mapping[str, str]) -> Shown | None:
        """Return a page as a query asks for it; None if there is none.

        Raises:
            BadQuery: there is none such.
        """
        page = self.pages.get(path)
        if page is None:
            return None
        chosen = {name: query[name] for name in page.names if query.get(name)}
        if any(len(value) > _MAX_TEXT for value in chosen.values()):
            message = "The address is too long."
            raise BadQuery(message)
        chosen.setdefault("span", DEFAULT_SPAN)
        if chosen["span"] not in LIVE_SPANS:
            message = f"There is no such span: write one of {', '.join(LIVE_SPANS)}."
            raise BadQuery(message)
        return Shown(page, tuple(sorted(chosen.items())))

    def sections(self, shown: Shown) -> Sections:
        """Return the sections of a page as they are now."""
        return shown.page.sections(dict(shown.query)) | {"notices": self.notices()}

    def whole(self, shown: Shown, *, session: bool) -> str:
        """Return a page as HTML."""
        query = dict(shown.query)
        return self._templates.get_template(shown.page.template).render(
            {
                "title": shown.page.title,
                "path": shown.page.path,
                "live": shown.live,
                "version": self._version,
                "menu": list(self.pages.values()),
                "now_ms": _now_ms(),
                "session": session,
                "query": {"span": DEFAULT_SPAN, "operation": ALL} | query,
                "sections": {name: _markup(html) for name, html in self.sections(shown).items()},
                **shown.page.context(query),
            }
        )

    def notices(self) -> str:
        """Return what is not as it should be, as HTML."""
        return self.render("notices.html", notices=self._freshness.notices())

    @property
    def promises(self) -> Promises:
        """What figures are judged by."""
        objectives = Objectives(self._rules.loaded.rules).of("operations", {})
        success = [it.objective for it in objectives if it.below is None]
        return Promises(self._targets, self._claim, max(success, default=None))

    def _overview_context(self, query: Query) -> dict[str, Any]:
        del query
        return {"operations": operation_names(self._world.sums), "spans": LIVE_SPANS}

    def _overview_sections(self, query: Query) -> Sections:
        span = trailing(query["span"], _now_ms())  # type: ignore[arg-type]  # was checked
        world = self._world
        found = overview(
            world.sums, world.alerts(), self.promises, span, query.get("operation", ALL)
        )
        context = {
            "overview": found,
            "words": WORDS,
            "loading": self._freshness.is_loading,
            "services": service_rows(world.sums, span),
        }
        names = ("heading", "claim", "tiles", "platforms", "alerts", "failures", "services")
        return {name: self.render(f"overview/{name}.html", **context) for name in names}

    def render(self, template: str, **context: Any) -> str:
        """Return a template filled in."""
        return self._templates.get_template(template).render({"version": self._version} | context)


def _markup(html: str) -> Any:
    from markupsafe import Markup  # noqa: PLC0415, RUF100 - beside the only place that trusts HTML

    return Markup(html)  # noqa: S704 - a template of ours made it, and escaped what is in it


def _version_of_static() -> str:
    """Return what changes when a script or a style changes, so that browsers fetch it anew."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


def _now_ms() -> int:
    return int(time.time() * 1000)
