"""Answer /metrics, /healthz and /readyz over HTTP."""

import logging
from collections.abc import Callable, Iterable, Mapping

import structlog
from aiohttp import http_exceptions, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agents.runtime.masking import masked_urls

log = structlog.get_logger()


class Health:
    """A small HTTP server in the worker's own loop: if that hangs, it does not answer."""

    def __init__(
        self,
        host: str,
        port: int,
        unready: Callable[[], str | None],
        remarks: Callable[[], list[str]] = list,
    ) -> None:
        """Listen.

        Args:
            host: the address.
            port: 0 takes a free one.
            unready: says in a sentence why the worker is not ready, if so.
            remarks: says in sentences what an operator should know of one that is.
        """
        self._host = host
        self._port = port
        self._unready = unready
        self._remarks = remarks
        self._runner: web.AppRunner | None = None
        self.port = port
        self._routes: list[web.RouteDef] = []
        self._headers: dict[str, str] = {}

    def serve(self, routes: Iterable[web.RouteDef], headers: Mapping[str, str]) -> None:
        """Serve a role's own pages too, and these headers with every answer; before it starts."""
        self._routes += routes
        self._headers |= headers

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.add_routes(self._routes)
        app.on_response_prepare.append(self._prepare)
        logging.getLogger("aiohttp.server").addFilter(is_ours)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.port = int(port)
        log.info("metrics and health", url=f"http://{host}:{port}/metrics")

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _prepare(self, _: web.Request, response: web.StreamResponse) -> None:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if why := self._unready():
            return web.Response(status=503, text=masked_urls(why) + "\n")
        return web.Response(text=masked_urls("\n".join(["ok", *self._remarks(), ""])))


def is_ours(record: logging.LogRecord) -> bool:
    """Return whether a log record is about more than a bad request, which is answered by 4xx."""
    error = record.exc_info[1] if record.exc_info else None
    theirs = (http_exceptions.HttpProcessingError, web.RequestPayloadError)
    return not isinstance(error, theirs)
