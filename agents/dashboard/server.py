"""Serve the dashboard: pages, their changes, static files, health and metrics."""

import logging
import mimetypes
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from agents.dashboard.access import ACCESS, API, json_response
from agents.dashboard.exposition import Exposition
from agents.dashboard.freshness import Freshness
from agents.dashboard.gate import HEADERS, SESSION, Gate
from agents.dashboard.live import Hub, TooManyPages
from agents.dashboard.metrics import failures
from agents.dashboard.page import BadQuery, NotThere
from agents.dashboard.sign_in import SignIn
from agents.dashboard.site import STATIC, Site
from agents.runtime.health import is_ours

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: What anybody may ask for who reaches the port: it says nothing of what is measured.
_OPEN = ("/healthz", "/login", "/static/")
_MAX_BODY = 16 * 1024
_READS = ("GET", "HEAD", "OPTIONS")
#: Headers of a refusal that say what to do.
_ADVICE = ("Allow", "Retry-After", "WWW-Authenticate")
_FOR_EVER = "public, max-age=31536000, immutable"


class Server:
    """The HTTP server."""

    def __init__(
        self,
        address: tuple[str, int],
        gate: Gate,
        site: Site,
        hub: Hub,
        freshness: Freshness,
        exposition: Exposition,
    ) -> None:
        """Listen to nothing yet; port 0 takes a free one."""
        self._host, self._port = address
        self._exposition = exposition
        self._gate = gate
        self._site = site
        self._hub = hub
        self._freshness = freshness
        self._more_routes: list[web.RouteDef] = []
        self._sign_in = SignIn(gate, site.render)
        self._files = {
            file.name: (file.read_bytes(), mimetypes.guess_type(file.name)[0] or "text/plain")
            for file in STATIC.iterdir()
        }
        self._runner: web.AppRunner | None = None
        self.url = ""

    def serve(self, routes: Iterable[web.RouteDef]) -> None:
        """Serve these, too; before it starts."""
        self._more_routes += routes

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address or the port cannot be had.
        """
        app = web.Application(middlewares=[self._checked], client_max_size=_MAX_BODY)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/static/{name}", self._static)
        app.router.add_get("/live", self._live)
        app.add_routes([*self._sign_in.routes, *self._more_routes])
        app.router.add_get("/{path:.*}", self._page)
        app.on_response_prepare.append(self._prepare)
        logging.getLogger("aiohttp.server").addFilter(is_ours)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=3.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        log.info("the dashboard is served", url=self.url)

    async def stop(self) -> None:
        """Close what is open, and stop listening."""
        await self._hub.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    # ---------------------------------------------------------------- every request

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check(request)
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400 or error.content_type == "text/html":  # noqa: PLR2004, RUF100 - HTTP
                raise
            response = self._error(request, error.status, error.text or error.reason)
            for name in _ADVICE:
                if name in error.headers:
                    response.headers[name] = error.headers[name]
            return response
        except BadQuery as error:
            return self._error(request, 400, str(error))
        except NotThere:
            return self._error(request, 404, "There is no such page.")
        except (ConnectionError, TimeoutError):
            raise
        except Exception:  # noqa: BLE001, RUF100 - a request's edge: who asked gets an answer
            failures.labels("request").inc()
            log.exception("a request cannot be answered", path=request.path[:200])
            return self._error(request, 500, "Something went wrong here; the log says what.")

    def _check(self, request: web.Request) -> None:
        """Refuse a request that is not for us, comes too often, or whose sender may not ask it."""
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        if not self._gate.is_our_host(host):
            why = (
                "This server does not go by that name. OPWATCH_DASHBOARD_HOSTS lists the names it"
                " goes by."
            )
            raise web.HTTPMisdirectedRequest(text=why)
        address = request.remote or ""
        if not self._gate.allows_request(address):
            raise web.HTTPTooManyRequests(
                text="Too many requests; try again in a few seconds.", headers={"Retry-After": "5"}
            )
        access = self._gate.access(
            request.headers.get("Authorization"),
            request.cookies.get(SESSION),
            address,
            time.time(),
        )
        if access is None:
            raise web.HTTPUnauthorized(
                text="That token is wrong.", headers={"WWW-Authenticate": "Bearer"}
            )
        request[ACCESS] = access
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        acts = request.method not in _READS
        if (
            (acts or is_socket)
            and access.by != "bearer"
            and not self._gate.is_our_origin(origin, host)
        ):
            raise web.HTTPForbidden(text="This was not asked by a page of this server.")
        is_open = request.method == "OPTIONS" or request.path.startswith(_OPEN)
        if access.level == "nobody" and not is_open:
            raise self._must_sign_in(request)

    def _must_sign_in(self, request: web.Request) -> web.HTTPException:
        if _wants_html(request):
            return web.HTTPSeeOther(self._sign_in.place(request.path_qs))
        return web.HTTPUnauthorized(
            text="A token is needed to see this.", headers={"WWW-Authenticate": "Bearer"}
        )

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(API):
            self._allow(request, response)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.pop("Server", None)

    def _allow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let pages of the origins that are listed read an answer of the API."""
        origin = request.headers.get("Origin")
        response.headers["Vary"] = "Origin"
        if self._gate.may_read_from(origin):
            response.headers["Access-Control-Allow-Origin"] = str(origin)
            response.headers["Access-Control-Allow-Headers"] = "Authorization"
            response.headers["Access-Control-Allow-Methods"] = "GET"
            response.headers["Access-Control-Max-Age"] = "600"
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _error(self, request: web.Request, status: int, why: str) -> web.Response:
        if _wants_html(request):
            html = self._site.render("error.html", status=status, why=why)
            return web.Response(text=html, status=status, content_type="text/html")
        return json_response({"error": why}, status)

    # ---------------------------------------------------------------- what is served

    async def _page(self, request: web.Request) -> web.Response:
        return self._whole(request, request.path)

    def _whole(self, request: web.Request, path: str) -> web.Response:
        opened = self._site.open(path, request.query)
        html = self._site.whole(opened, request[ACCESS], can_act=self._gate.can_act)
        return web.Response(text=html, content_type="text/html")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        opened = self._site.open(query.pop("page", ""), query)
        self._site.sections(opened)  # raises why there are none
        try:
            return await self._hub.serve(request, opened, self._still_has(request))
        except TooManyPages:
            raise web.HTTPServiceUnavailable(text="Too many pages are open.") from None

    def _still_has(self, request: web.Request) -> Callable[[], bool]:
        """Return what answers whether a request's sender may still see what they could."""
        access, session = request[ACCESS], request.cookies.get(SESSION)
        return lambda: self._gate.still_has(access, session, time.time())

    async def _static(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="There is no such file.")
        body, kind = found
        return web.Response(
            body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": _FOR_EVER}
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _health(self, request: web.Request) -> web.StreamResponse:
        """Answer a person with the overview, and a machine with JSON."""
        if _wants_html(request):
            return self._whole(request, "/")
        found = self._freshness.health()
        return json_response(found, 503 if found["status"] == "down" else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )


def _wants_html(request: web.Request) -> bool:
    """Return whether a browser asks: others take anything, or JSON."""
    return "text/html" in request.headers.get("Accept", "")
