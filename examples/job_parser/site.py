"""Serve the platforms' job pages over HTTP on loopback, each at the speed of its line.

Nothing is simulated: a page is rendered for each request and sent at the platform's speed. In times
of trouble the line is very slow, and the page stops half-way, or a proxy cuts it and declares it
complete.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from examples.job_parser.pages import RENDER
from examples.job_parser.postings import posting

LOOPBACK = "127.0.0.1"
_PIECE = 4096
#: The proxy in front of all platforms passes this many bytes of a page.
_PROXY_LIMIT = 100_000
#: In trouble one page of four stalls, the others are cut to this share; all are slow.
_CUT = 0.55
_TROUBLED_BYTES_PER_S = 22_000
#: How long a page stalls: longer than the fetcher waits.
_STALL_S = 4.0


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform's share of the crawl, and the speed of its site."""

    bytes_per_s: int
    jobs: int
    jobs_per_s: int
    """Visited by our service."""
    skew: float
    """How much more often the popular posts are visited, which makes the cache useful."""


PLATFORMS: Mapping[str, Platform] = {
    "ashby": Platform(bytes_per_s=500_000, jobs=250, jobs_per_s=60, skew=0.8),
    "greenhouse": Platform(bytes_per_s=900_000, jobs=300, jobs_per_s=100, skew=1.0),
    "lever": Platform(bytes_per_s=1_200_000, jobs=200, jobs_per_s=70, skew=0.7),
    "linkedin": Platform(bytes_per_s=700_000, jobs=500, jobs_per_s=140, skew=1.1),
    "workday": Platform(bytes_per_s=250_000, jobs=250, jobs_per_s=50, skew=0.9),
}


class Site:
    """A server for all platforms: GET /<platform>/<number>."""

    def __init__(self) -> None:
        """Do not listen yet."""
        self.in_trouble: Collection[str] = ()
        self._requests: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen on a free port and return it."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    platform, number = head.split(b" ", 2)[1].decode().strip("/").split("/")
                    await self._answer(writer, platform, int(number))
            finally:
                writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, platform: str, number: int) -> None:
        post = posting(platform, number)
        if post.gone:
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        page = RENDER[platform](post).encode()[:_PROXY_LIMIT]
        stalls, bytes_per_s = False, PLATFORMS[platform].bytes_per_s
        if platform in self.in_trouble:
            bytes_per_s = _TROUBLED_BYTES_PER_S
            self._requests[platform] += 1
            turn = self._requests[platform] % 4
            stalls = turn == 0
            if not stalls:
                page = page[: int(len(page) * _CUT)]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(page))
        half = len(page) // 2
        for start in range(0, len(page), _PIECE):
            piece = page[start : start + _PIECE]
            await asyncio.sleep(len(piece) / bytes_per_s)
            if stalls and start + len(piece) > half:
                await asyncio.sleep(_STALL_S)
                stalls = False
            writer.write(piece)
            await writer.drain()
