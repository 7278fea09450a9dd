"""Run an HTTP proxy that opens tunnels, as Squid does, and note what it was asked."""

import asyncio
import base64
import contextlib
import ssl
from typing import Self

from tests.receivers.local_server import LocalServer

USER, PASSWORD = "svc", "proxy-password-0123456789"


class TunnelProxy(LocalServer):
    """A proxy on this machine; it resolves every name to this machine."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, authenticate: bool = False) -> None:
        super().__init__()
        self.asked: list[bytes] = []
        """The head of each request."""
        self._tls, self._authenticate = tls, authenticate

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        pair = f"{USER}:{PASSWORD}@" if self._authenticate else ""
        self.url = f"{'https' if self._tls else 'http'}://{pair}localhost:{self.port}"
        self.url_without_password = self.url.replace(pair, "")
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head)
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode())
            if self._authenticate and b"Basic " + pair not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                writer.close()
                return
            port = int(head.split(b" ")[1].rpartition(b":")[2])
            far, far_writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pipe(reader, far_writer)
            self._pipe(far, writer)

    def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def pass_on() -> None:
            with contextlib.suppress(OSError):
                while part := await reader.read(65536):
                    writer.write(part)
                writer.close()

        task = asyncio.create_task(pass_on())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
