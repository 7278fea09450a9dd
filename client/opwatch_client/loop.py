"""An event loop for a thread of its own, safe in forks and while Python exits."""

import asyncio
import os
import selectors
import socket
from typing import Any

from opwatch_client.logs import log


class Loop(asyncio.SelectorEventLoop):
    """An event loop that a forked child does not touch, and that starts no further threads."""

    def __init__(self) -> None:
        """Create it in the process that will run it."""
        # Not epoll: a forked child shares the parent's set, and its clean-up would remove the
        # parent's sockets from it.
        super().__init__(selectors.PollSelector())
        self._made_in = os.getpid()
        self.set_exception_handler(lambda _, context: log.debug("%s", context.get("message")))

    def is_closed(self) -> bool:
        """Return True in a forked child too, so that aiokafka leaves the parent's sockets alone."""
        return os.getpid() != self._made_in or super().is_closed()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve in this thread: executors start no threads while Python exits."""
        return socket.getaddrinfo(host, port, **options)
