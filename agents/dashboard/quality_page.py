"""Show the quality of analyses."""

import time
from typing import Any, ClassVar

from agents.dashboard.page import Parts, Query, Sections, span_of
from streams.dashboard.quality_view import quality_view
from streams.dashboard.spans import SPANS, trailing

_SECTIONS = (
    *("heading", "dimensions", "breakdowns", "worst"),
    *("findings", "remediations", "calibration"),
)


class QualityPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/quality"
    title: ClassVar[str] = "Quality"
    template: ClassVar[str] = "quality.html"
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
        calibrations = world.calibrations.newest.values()
        target = parts.promises().targets.get("quality")
        view = quality_view(parts.sums, calibrations, world.remediations, target, span)
        context = {"view": view, "loading": parts.freshness.is_loading}
        return {name: parts.render(f"quality/{name}.html", **context) for name in _SECTIONS}
