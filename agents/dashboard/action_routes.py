"""Take what people ask for in forms, or programs in JSON; only who has the token may ask."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from agents.dashboard.access import ACCESS, API, json_response
from agents.dashboard.actions import Actions, Refused, Undecided
from agents.dashboard.forms import JSON, fields_of
from agents.dashboard.world import World
from schemas.notifications import Notification
from streams.audit.status import silence_statuses

_NO_TOKEN = "Nobody may act here: OPWATCH_DASHBOARD_TOKEN is not set."  # noqa: S105, RUF100 - a sentence
_MUST_SIGN_IN = "Only who has OPWATCH_DASHBOARD_TOKEN may act: sign in with it, or send it."

Render = Callable[..., str]
Fields = Mapping[str, str]


class ActionRoutes:
    """The addresses at which people act."""

    def __init__(self, actions: Actions, world: World, render: Render, *, can_act: bool) -> None:
        self._actions = actions
        self._world = world
        self._render = render
        self._can_act = can_act

    @property
    def routes(self) -> list[web.RouteDef]:
        """What to serve: the same for pages and programs."""
        found = []
        for place in ("", API):
            found += [
                web.post(place + "/alerts/{id}/acknowledge", self._acknowledge),
                web.post(place + "/alerts/{id}/silence", self._silence),
                web.post(place + "/silences/{id}/end", self._end_silence),
            ]
        return found

    async def _acknowledge(self, request: web.Request) -> web.StreamResponse:
        fields = await self._fields(request)
        name = self._alert(request)
        by, comment = fields.get("by", ""), fields.get("comment", "")
        return await self._answer(request, name, self._actions.acknowledge(name, by, comment))

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        fields = await self._fields(request)
        name = self._alert(request)
        by, comment = fields.get("by", ""), fields.get("comment", "")
        lasts = fields.get("for", "1h")
        return await self._answer(request, name, self._actions.silence(name, by, comment, lasts))

    async def _end_silence(self, request: web.Request) -> web.StreamResponse:
        fields = await self._fields(request)
        name = request.match_info["id"]
        if name not in [it.silence.id for it in silence_statuses(self._world.log, 0)]:
            raise web.HTTPNotFound(text="There is no such silence.")
        asked = self._actions.end_silence(name, fields.get("by", ""))
        return await self._answer(request, "", asked)

    def _alert(self, request: web.Request) -> str:
        name = request.match_info["id"]
        if name not in self._world.log.breaches:
            raise web.HTTPNotFound(text="There is no such alert.")
        return name

    async def _fields(self, request: web.Request) -> Fields:
        """Return what was sent.

        Raises:
            web.HTTPException: the sender may not act, or what was sent cannot be read.
        """
        if not self._can_act:
            raise web.HTTPForbidden(text=_NO_TOKEN)
        if request[ACCESS].level != "actor":
            raise web.HTTPForbidden(text=_MUST_SIGN_IN)
        return await fields_of(request)

    async def _answer(
        self, request: web.Request, alert: str, asked: Awaitable[Notification]
    ) -> web.StreamResponse:
        is_form = request.content_type != JSON
        status, sentence = 200, ""
        try:
            sentence = (await asked).sentence
        except Refused as refused:
            status, sentence = 409, str(refused)
        except Undecided as undecided:
            status, sentence = 202, str(undecided)
        if not is_form:
            return json_response({"done": status == 200, "sentence": sentence}, status)  # noqa: PLR2004, RUF100 - HTTP
        back = f"/alerts/{quote(alert)}" if alert else "/alerts"
        if status == 200:  # noqa: PLR2004, RUF100 - HTTP
            raise web.HTTPSeeOther(back)
        html = self._render("message.html", sentence=sentence, back=back, status=status)
        return web.Response(text=html, status=status, content_type="text/html")
