"""Serve the platforms' job pages over HTTP on loopback, each as slowly as its line is thin.

Nothing is pretended: a page is rendered when it is asked for and trickles out at the platform's
pace; in times of trouble the line is as good as gone, and the page stops half-way or is cut off by
a proxy that takes it for complete.
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
#: The proxy in front of all platforms lets so many bytes of a page through, no more.
_PROXY_LIMIT = 100_000
#: In trouble, of four pages one stalls and three are cut to this share; all are slow.
_CUT = 0.55
_TROUBLED_BYTES_PER_S = 22_000
#: A page that stalls stands still for so long: longer than anybody waits.
_STALL_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform's share of the crawl, and what its site can do."""

    bytes_per_s: int
    jobs: int
    jobs_per_s: int
    """Visited by our service."""
    skew: float
    """How much more often the popular posts are visited: what a cache lives on."""


PLATFORMS: Mapping[str, Platform] = {
    "ashby": Platform(bytes_per_s=500_000, jobs=250, jobs_per_s=60, skew=0.8),
    "greenhouse": Platform(bytes_per_s=900_000, jobs=300, jobs_per_s=100, skew=1.0),
    "lever": Platform(bytes_per_s=1_200_000, jobs=200, jobs_per_s=70, skew=0.7),
    "linkedin": Platform(bytes_per_s=700_000, jobs=500, jobs_per_s=140, skew=1.1),
    "workday": Platform(bytes_per_s=250_000, jobs=250, jobs_per_s=50, skew=0.9),
}


class Site:
    """One server for all platforms: GET /<platform>/<number>."""

    def __init__(self) -> None:
        """Listen nowhere yet."""
        self.in_trouble: Collection[str] = ()
        self._asked: Counter[str] = Counter()
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
            self._asked[platform] += 1
            turn = self._asked[platform] % 4
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
