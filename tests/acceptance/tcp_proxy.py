"""Stand between a client and a server: pass bytes on, cut connections, or leave them hanging."""

import asyncio
import contextlib
import threading
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

Mode = Literal["passes", "hangs", "refuses"]


class TcpProxy:
    """A proxy on loopback, in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._mode: Mode = "passes"
        self._passes = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[Any] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self._run(self._listen())

    def passes(self) -> None:
        self._run(self._become("passes"))

    def hangs(self) -> None:
        """Pass nothing on, and close nothing, as a firewall that forgot its connections does."""
        self._run(self._become("hangs"))

    def cuts(self) -> None:
        """Close all connections, those in the middle of a transaction too."""
        self._run(self._cut())

    def close(self) -> None:
        self._run(self._cut())
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> int:
        self._passes.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _become(self, mode: Mode) -> None:
        if mode == "passes":
            self._passes.set()
        else:
            self._passes.clear()

    async def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._passes.wait()
            theirs, ours = await asyncio.open_connection(*self._target)
        except (OSError, asyncio.CancelledError):  # asyncio logs handlers that are cancelled
            writer.transport.abort()
            return
        self._open |= {writer, ours}
        for source, sink in ((reader, ours), (theirs, writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._passes.wait()
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
        self._open.discard(sink)


def proxy_of(url: str) -> tuple[TcpProxy, str]:
    """Return a proxy in front of the server of a URL, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = TcpProxy(parts.hostname or "", parts.port or 0)
    user, at, _ = parts.netloc.rpartition("@")
    return proxy, urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}"))
