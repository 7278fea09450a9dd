"""Show the quality of analyses."""

import time
from typing import Any, ClassVar

from agents.dashboard.page import Parts, Query, Sections, span_of
from streams.dashboard.book import Books
from streams.dashboard.quality_view import quality_view
from streams.dashboard.spans import SPANS, trailing
from streams.dashboard.sums import SpanSums

_NOTHING = SpanSums(Books(0))


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
        is_loading = parts.freshness.is_loading
        sums = _NOTHING if is_loading else world.sums
        calibrations = world.calibrations.newest.values()
        view = quality_view(sums, calibrations, parts.promises().targets.get("quality"), span)
        context = {"view": view, "loading": is_loading}
        names = ("heading", "dimensions", "breakdowns", "worst", "findings", "calibration")
        return {name: parts.render(f"quality/{name}.html", **context) for name in names}
