"""Show services with their uptime, objectives with their budgets, and the pipeline itself."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

from agents.dashboard.page import Parts, Query, Sections, span_of
from agents.dashboard.role_states import RoleStates
from agents.dashboard.watermark_delays import WatermarkDelays
from streams.dashboard.objectives import MOST_OBJECTIVES, objective_rows, with_burn_down
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import SPANS, trailing
from streams.dashboard.uptime_bars import uptime_bars
from streams.rules.error_budget import Objectives

_LETTERS = 50


class ServicesPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/services"
    title: ClassVar[str] = "Services"
    template: ClassVar[str] = "services.html"
    names: ClassVar[tuple[str, ...]] = ("span",)

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        del query
        return {"spans": SPANS}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, world = self._parts, self._parts.world
        span = trailing(span_of(query), int(time.time() * 1000))
        rows = service_rows(parts.sums, span)
        bars = {row.series: uptime_bars(world.books.services[row.series], span) for row in rows}
        is_loading = parts.freshness.is_loading
        context = {"rows": rows, "bars": bars, "loading": is_loading, "span_name": span.name}
        return {
            name: parts.render(f"services/{name}.html", **context) for name in ("heading", "list")
        }


class ObjectivesPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/slos"
    title: ClassVar[str] = "SLOs"
    template: ClassVar[str] = "slos.html"
    names: ClassVar[tuple[str, ...]] = ("span",)

    def __init__(self, parts: Parts, objectives: Callable[[], Objectives]) -> None:
        self._parts = parts
        self._objectives = objectives

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        del query
        return {"spans": SPANS}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, now_ms = self._parts, int(time.time() * 1000)
        span = trailing(span_of(query), now_ms)
        success = parts.promises().targets.get("success_rate")
        aim = None if success is None else success.aim
        sums = parts.sums
        rows = objective_rows(sums, self._objectives(), aim, span)
        drawn = [with_burn_down(row, sums, span, now_ms) for row in rows[:MOST_OBJECTIVES]]
        is_loading = parts.freshness.is_loading
        context = {"rows": rows, "drawn": drawn, "loading": is_loading, "span_name": span.name}
        return {name: parts.render(f"slos/{name}.html", **context) for name in ("heading", "list")}


class PipelinePage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/pipeline"
    title: ClassVar[str] = "Pipeline"
    template: ClassVar[str] = "pipeline.html"
    names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Parts, groups: RoleStates, delays: WatermarkDelays) -> None:
        self._parts = parts
        self._delays = delays
        self._groups = groups

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        del query
        return {}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        del query
        parts, world = self._parts, self._parts.world
        newest = list(world.letters.values())[-_LETTERS:]
        context = {
            "health": parts.freshness.health(),
            "groups": self._groups,
            "delays": self._delays.by_role,
            "series": {
                "operations": len(world.books.operations),
                "quality": len(world.books.quality),
                "services": len(world.books.services),
            },
            "windows": sum(map(len, world.books.all())),
            "letters": newest[::-1],
            "letters_by_reason": world.letters_by_reason.most_common(),
            "aggregates": world.aggregates,
        }
        names = ("heading", "workers", "letters", "memory")
        return {name: parts.render(f"pipeline/{name}.html", **context) for name in names}
