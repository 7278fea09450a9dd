"""Answer programs with JSON: what pages show, and what a health page needs of a span."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from agents.dashboard import api_fields
from agents.dashboard.access import API, json_response
from agents.dashboard.openapi import document
from agents.dashboard.page import NotThere, Parts, checked, labels_of_query, severity_of, span_of
from agents.dashboard.role_states import RoleStates
from agents.dashboard.watermark_delays import WatermarkDelays
from streams.audit.status import silence_statuses
from streams.dashboard.overview import overview
from streams.dashboard.points import QualitySum
from streams.dashboard.series_view import SeriesView, series_view
from streams.dashboard.service_rows import service_rows
from streams.dashboard.spans import TrailingSpan, trailing
from streams.dashboard.stories import alert_story, listed_alerts
from streams.measure.series import ALL
from streams.quality.score_series import SCORE_DIMENSIONS


class Api:
    """The addresses of the API; all of them only read."""

    def __init__(self, parts: Parts, role_states: RoleStates, delays: WatermarkDelays) -> None:
        self._parts = parts
        self._role_states = role_states
        self._delays = delays

    @property
    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        handlers = {
            "/openapi.json": self._openapi,
            "/overview": self._overview,
            "/health": self._health,
            "/series": self._series,
            "/series/names": self._names,
            "/alerts": self._alerts,
            "/alerts/{id}": self._alert,
            "/quality": self._quality,
            "/services": self._services,
            "/pipeline": self._pipeline,
        }
        found = [web.get(API + path, handler) for path, handler in handlers.items()]
        return [*found, web.options(API + "/{path:.*}", self._preflight)]

    async def _openapi(self, _: web.Request) -> web.Response:
        return json_response(document())

    async def _preflight(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _overview(self, request: web.Request) -> web.Response:
        span, world = self._span(request), self._ready()
        operation = checked(request.query).get("operation", ALL)
        promises = self._parts.promises(operation)
        found = overview(world.sums, world.alerts(), promises, span, operation)
        return json_response(api_fields.overview_fields(found))

    async def _health(self, request: web.Request) -> web.Response:
        """Answer what a page of another origin polls."""
        span, world = self._span(request), self._ready()
        view = self._view(request, span)
        scores: dict[str, QualitySum] = {
            dimension: world.sums.quality(f"{dimension}:{view.name}", span)
            for dimension in SCORE_DIMENSIONS
        }
        services = service_rows(world.sums, span)
        fields = api_fields.health_fields(view, scores, services)
        return json_response(fields | {"freshness": self._parts.freshness.health()})

    async def _series(self, request: web.Request) -> web.Response:
        span = self._span(request)
        self._ready()
        view = self._view(request, span)
        return json_response(api_fields.series_fields(view))

    async def _names(self, _: web.Request) -> web.Response:
        world = self._ready()
        names = {
            "operations": sorted(world.books.operations),
            "quality": sorted(world.books.quality),
            "services": sorted(world.books.services),
        }
        return json_response(names)

    async def _alerts(self, request: web.Request) -> web.Response:
        world = self._ready()
        query = checked(request.query)
        found = listed_alerts(world.alerts(), query.get("q", ""), severity_of(query))
        silences = silence_statuses(world.log, _now_ms())
        return json_response(
            {
                "open": [api_fields.alert_fields(it) for it in found.open],
                "resolved": [api_fields.alert_fields(it) for it in found.over],
                "left_out": found.left_out,
                "silences": [api_fields.silence_fields(it) for it in silences],
            },
        )

    async def _alert(self, request: web.Request) -> web.Response:
        world = self._ready()
        status = world.alert(request.match_info["id"])
        if status is None:
            raise NotThere
        story = alert_story(world.log, status, world.undelivered.values())
        return json_response(api_fields.story_fields(story))

    async def _quality(self, request: web.Request) -> web.Response:
        span, world = self._span(request), self._ready()
        rows = [
            api_fields.quality_fields(name, world.sums.quality(name, span))
            for name in sorted(world.books.quality)
        ]
        remedies = [api_fields.remedy_fields(row) for row in world.remediations.rows(span)]
        fields = {"series": rows, "remediations": remedies}
        return json_response(api_fields.span_fields(span) | fields)

    async def _services(self, request: web.Request) -> web.Response:
        span, world = self._span(request), self._ready()
        rows: Sequence[Mapping[str, Any]] = [
            api_fields.service_fields(row) for row in service_rows(world.sums, span)
        ]
        return json_response(api_fields.span_fields(span) | {"services": rows})

    async def _pipeline(self, _: web.Request) -> web.Response:
        world = self._parts.world
        return json_response(
            {
                "freshness": self._parts.freshness.health(),
                "roles": [
                    api_fields.role_fields(role, self._delays.by_role.get(role.role, ()))
                    for role in self._role_states.roles
                ],
                "roles_unknown": self._role_states.why,
                "dead_letters": dict(world.letters_by_reason),
                "newest_dead_letters": [
                    api_fields.letter_fields(it) for it in list(world.letters.values())[-50:][::-1]
                ],
            },
        )

    def _view(self, request: web.Request, span: TrailingSpan) -> SeriesView:
        world = self._parts.world
        return series_view(
            world.sums,
            world.log,
            self._parts.promises().targets,
            labels_of_query(checked(request.query)),
            span,
            _now_ms(),
            compares=False,
        )

    def _span(self, request: web.Request) -> TrailingSpan:
        return trailing(span_of(checked(request.query)), _now_ms())

    def _ready(self) -> Any:
        """Return the world.

        Raises:
            web.HTTPServiceUnavailable: what was published before is not read yet.
        """
        if self._parts.freshness.is_loading:
            raise web.HTTPServiceUnavailable(
                text="What was published is still being read.", headers={"Retry-After": "2"}
            )
        return self._parts.world


def _now_ms() -> int:
    return int(time.time() * 1000)
