"""Get a page over HTTP on connections that are kept, in time or not at all."""

import asyncio
from typing import NamedTuple

#: Nobody waits longer for a job page.
TIMEOUT_S = 0.8
_HEAD_END = b"\r\n\r\n"
_OK = 200
_GONE = 404


class PageGone(Exception):
    """The post was taken down."""


class UnexpectedStatus(Exception):
    """The site answered with neither the page nor its absence."""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Fetcher:
    """Pages of one host."""

    def __init__(self, host: str, port: int, timeout_s: float = TIMEOUT_S) -> None:
        """Connect nothing yet."""
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._idle: list[_Connection] = []

    async def get(self, path: str) -> bytes:
        """Return the page.

        Raises:
            TimeoutError: it was not complete in time.
            PageGone: there is none any more.
            UnexpectedStatus: the site answered something else.
            asyncio.IncompleteReadError: the site hung up in the middle of it.
        """
        async with asyncio.timeout(self._timeout_s):
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                status, body = await self._ask(connection, path)
            except BaseException:
                # What is left of this answer would be taken for the next one.
                connection.writer.close()
                raise
        self._idle.append(connection)
        if status == _GONE:
            raise PageGone(path)
        if status != _OK:
            raise UnexpectedStatus(f"{status} for {path}")
        return body

    def close(self) -> None:
        """Close what is kept."""
        for connection in self._idle:
            connection.writer.close()
        self._idle.clear()

    async def _connect(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._host, self._port))

    async def _ask(self, connection: _Connection, path: str) -> tuple[int, bytes]:
        connection.writer.write(f"GET {path} HTTP/1.1\r\nhost: {self._host}\r\n\r\n".encode())
        head = await connection.reader.readuntil(_HEAD_END)
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return int(head.split(b" ", 2)[1]), await connection.reader.readexactly(length)
