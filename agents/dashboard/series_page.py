"""Show a series: its charts, what happened meanwhile, and its windows as a table."""

import time
from itertools import groupby
from typing import Any, ClassVar

from agents.dashboard.page import (
    Parts,
    Query,
    Sections,
    between_of,
    labels_of_query,
    span_of,
)
from agents.dashboard.stored_spans import StoredSpans
from schemas.spans import HOUR_MS
from streams.dashboard.overview import operation_names
from streams.dashboard.series_rows import WindowRow
from streams.dashboard.series_view import platform_names, series_view
from streams.dashboard.spans import POINT_SIZE, SPANS, trailing
from streams.measure.confidence_levels import LEVELS

#: Rows of a table that change together: those of a few hours are sent again together.
_CHUNK_MS = HOUR_MS


class SeriesPage:
    """See agents.dashboard.page.Page."""

    path: ClassVar[str] = "/series"
    title: ClassVar[str] = "Series"
    template: ClassVar[str] = "series.html"
    names: ClassVar[tuple[str, ...]] = (
        "span",
        "operation",
        "platform",
        "confidence",
        "before",
        "from",
        "to",
    )

    def __init__(self, parts: Parts, stored: StoredSpans) -> None:
        self._parts = parts
        self._stored = stored

    def context(self, query: Query) -> dict[str, Any]:
        """Return what the template needs besides the sections."""
        sums, (operation, platform, _) = self._parts.world.sums, labels_of_query(query)
        platforms = {*platform_names(sums, operation), *([platform] if platform else ())}
        return {
            "operations": sorted({*operation_names(sums), operation}),
            "platforms": sorted(platforms),
            "levels": LEVELS,
            "spans": SPANS,
        }

    def sections(self, query: Query) -> Sections:
        """Return the sections as they are now."""
        parts = self._parts
        now_ms = int(time.time() * 1000)
        labels, span = labels_of_query(query), between_of(query)
        sums, state = parts.sums, ""
        if span is None:
            span = trailing(span_of(query), now_ms)
        else:
            sums, state = self._stored.sums(labels, span)
        view = series_view(
            sums,
            parts.world.log,
            parts.promises().targets,
            labels,
            span,
            now_ms,
            compares="before" in query,
        )
        chunks = {
            f"rows-{number}": list(rows) for number, rows in groupby(view.rows, key=_chunk_of)
        }
        context = {"view": view, "chunks": list(chunks), "loading": parts.freshness.is_loading}
        context |= {"state": state, "query": query, "whole_size": POINT_SIZE[span.name]}
        names = ("heading", "charts", "marks", "table")
        found = {name: parts.render(f"series/{name}.html", **context) for name in names}
        for name, rows in chunks.items():
            found[name] = parts.render("series/rows.html", rows=rows)
        return found


def _chunk_of(row: WindowRow) -> int:
    return row.at_ms // _CHUNK_MS
