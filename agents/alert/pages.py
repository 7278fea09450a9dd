"""Show the page behind an acknowledge link: a GET shows a button, only its POST acts.

Mail scanners and chat previews fetch links; they must not acknowledge anything.
"""

from collections.abc import Awaitable, Callable
from html import escape

import structlog
from aiohttp import web

from agents.alert.clock import now_ms
from agents.alert.links import PATH, BadLink, Claim, Links, command
from schemas.commands import Acknowledge

log = structlog.get_logger()

_MAX_NAME = 200
_MAX_COMMENT = 1000
#: Nothing is loaded, nothing frames the page, and the link goes to no other site.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>opwatch</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}}
input,button{{font:inherit;padding:.4rem .6rem;margin:.2rem 0}}</style></head>
<body>{body}</body></html>
"""
_FORM = """<h1>Acknowledge {rule}?</h1><p>{series}</p>
<p>Nobody else is told and nothing escalates while you work on it.</p>
<form method="post"><p><label>Your name<br><input name="by" maxlength="200" required></label></p>
<p><label>Comment<br><input name="comment" maxlength="1000"></label></p>
<button>Acknowledge</button></form>"""


class Pages:
    """The routes of acknowledge links."""

    def __init__(self, links: Links, publish: Callable[[Acknowledge], Awaitable[None]]) -> None:
        """Acknowledge by publishing a command."""
        self._links = links
        self._publish = publish

    @property
    def routes(self) -> list[web.RouteDef]:
        """What to serve."""
        place = PATH + "{token}"
        return [web.get(place, self._show), web.post(place, self._acknowledge)]

    async def _show(self, request: web.Request) -> web.Response:
        claim = self._claim(request)
        return _page(_FORM.format(rule=escape(claim.rule), series=escape(claim.series)))

    async def _acknowledge(self, request: web.Request) -> web.Response:
        claim = self._claim(request)
        form = await request.post()
        by, comment = _text(form.get("by"), _MAX_NAME), _text(form.get("comment"), _MAX_COMMENT)
        if not by:
            return _page("<h1>Who are you?</h1><p>Go back and write your name.</p>", 400)
        await self._publish(command(claim, by, comment, now_ms()))
        log.info("acknowledged by a link", fingerprint=claim.fingerprint, by=by)
        return _page(f"<h1>Acknowledged</h1><p>{escape(claim.rule)}, by {escape(by)}.</p>")

    def _claim(self, request: web.Request) -> Claim:
        try:
            return self._links.read(request.match_info["token"], now_ms())
        except BadLink as bad:
            text = _PAGE.format(body=f"<h1>No</h1><p>{escape(str(bad))}</p>")
            raise web.HTTPForbidden(text=text, content_type="text/html", headers=_HEADERS) from None


def _text(given: object, most: int) -> str:
    return " ".join(given.split())[:most] if isinstance(given, str) else ""


def _page(body: str, status: int = 200) -> web.Response:
    return web.Response(
        text=_PAGE.format(body=body), status=status, content_type="text/html", headers=_HEADERS
    )
