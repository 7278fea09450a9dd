"""Get a page over HTTP, with persistent connections and a deadline."""

import asyncio
from typing import NamedTuple

#: The deadline for a page: a busy machine alone never reaches it.
TIMEOUT_S = 2.5
_HEAD_END = b"\r\n\r\n"
_OK = 200
_GONE = 404


class PageGone(Exception):
    """The post was taken down."""


class UnexpectedStatus(Exception):
    """The site answered with another status than 200 or 404."""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Fetcher:
    """Fetches pages of one host."""

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
            PageGone: the site answered 404.
            UnexpectedStatus: the site answered with another status.
            asyncio.IncompleteReadError: the site closed the connection too early.
        """
        async with asyncio.timeout(self._timeout_s):
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                status, body = await self._ask(connection, path)
            except BaseException:
                # The rest of this answer would be read as the next one.
                connection.writer.close()
                raise
        self._idle.append(connection)
        if status == _GONE:
            raise PageGone(path)
        if status != _OK:
            raise UnexpectedStatus(f"{status} for {path}")
        return body

    def close(self) -> None:
        """Close the idle connections."""
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
