"""Let people show a token once, in a form, and remember it in a cookie."""

import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from aiohttp import web

from agents.dashboard.forms import fields_of
from agents.dashboard.gate import SESSION, SESSION_S, Gate

_PATH = "/login"


class SignIn:
    """The pages that begin and end a session."""

    def __init__(self, gate: Gate, render: Callable[..., str]) -> None:
        """Sign in with the gate's tokens, on pages that `render` makes."""
        self._gate = gate
        self._render = render

    @property
    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        return [
            web.get(_PATH, self._show),
            web.post(_PATH, self._enter),
            web.post("/logout", self._leave),
        ]

    @staticmethod
    def place(then: str) -> str:
        """Return where to sign in, and where to go then."""
        return f"{_PATH}?next={quote(then, safe='')}"

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(_within(request.query.get("next", "/")), "")

    async def _enter(self, request: web.Request) -> web.Response:
        form = await fields_of(request)
        then = _within(form.get("next", "/"))
        level = self._gate.level_of(form.get("token", "").strip(), request.remote or "")
        if level is None:
            return self._page(then, "That token is wrong, or too many wrong ones came.", 401)
        response = web.HTTPSeeOther(then)
        response.set_cookie(
            SESSION,
            self._gate.new_session(level, time.time()),
            max_age=SESSION_S,
            httponly=True,
            samesite="Strict",
            secure=request.headers.get("X-Forwarded-Proto", request.scheme) == "https",
            path="/",
        )
        raise response

    async def _leave(self, request: web.Request) -> web.Response:
        self._gate.end_session(request.cookies.get(SESSION), time.time())
        response = web.HTTPSeeOther("/")
        response.del_cookie(SESSION, path="/")
        raise response

    def _page(self, then: str, wrong: str, status: int = 200) -> web.Response:
        html = self._render("login.html", then=then, wrong=wrong, can_act=self._gate.can_act)
        return web.Response(text=html, status=status, content_type="text/html")


def _within(place: str) -> str:
    """Return the place if it is a page of this server, else the first page."""
    try:
        parts = urlsplit(place)
    except ValueError:
        return "/"
    inside = place.startswith("/") and not place.startswith(("//", "/\\"))
    return place if inside and not parts.netloc and place.isprintable() else "/"
