"""Show at a glance whether promises are met."""

import time
from typing import Any, ClassVar

from agents.dashboard.page import Parts, Query, Sections, span_of
from streams.dashboard.charts import frame_of
from streams.dashboard.overview import operation_names, overview
from streams.dashboard.series_charts import overview_charts
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import SPANS, trailing
from streams.dashboard.targets import WORDS
from streams.measure.series import ALL

_SECTIONS = ("heading", "claim", "tiles", "charts", "platforms", "alerts", "failures", "services")


class OverviewPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/"
    title: ClassVar[str] = "Overview"
    template: ClassVar[str] = "overview.html"
    names: ClassVar[tuple[str, ...]] = ("span", "operation")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        names = {*operation_names(self._parts.world.sums), query.get("operation", ALL)}
        return {"operations": sorted(names), "spans": SPANS}

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts, world = self._parts, self._parts.world
        now_ms = int(time.time() * 1000)
        span, operation = trailing(span_of(query), now_ms), query.get("operation", ALL)
        promises, is_loading = parts.promises(operation), parts.freshness.is_loading
        sums, alerts = parts.sums, [] if is_loading else world.alerts()
        book = sums.books.operations.get(operation)
        frame = frame_of(span, None if book is None else book.first_in(span), now_ms)
        context = {
            "overview": overview(sums, alerts, promises, span, operation),
            "charts": () if book is None else overview_charts(frame, book, promises.targets),
            "words": WORDS,
            "loading": is_loading,
            "services": service_rows(sums, span),
        }
        return {name: parts.render(f"overview/{name}.html", **context) for name in _SECTIONS}
