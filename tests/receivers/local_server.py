"""Listen on this machine for as long as a test wants."""

import asyncio
from types import TracebackType
from typing import Self


class LocalServer:
    """A server that listens from entering to leaving; its tasks end with it."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        """0 until a free one is found."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def _listen(self) -> asyncio.Server:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await self._listen()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
