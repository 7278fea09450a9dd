"""Run asyncio in a thread of its own, through forks and while Python exits."""

import asyncio
import os
import selectors
import socket
from typing import Any

from opwatch_client.logs import log


class Loop(asyncio.SelectorEventLoop):
    """An event loop that a forked child leaves alone and that needs no further threads."""

    def __init__(self) -> None:
        """Make it in the process that will run it."""
        # Not epoll: a forked child shares its set, and by cleaning up would take the parent's
        # sockets out of it.
        super().__init__(selectors.PollSelector())
        self._made_in = os.getpid()
        self.set_exception_handler(lambda _, context: log.debug("%s", context.get("message")))

    def is_closed(self) -> bool:
        """Be closed in a forked child: aiokafka then leaves the parent's connections alone."""
        return os.getpid() != self._made_in or super().is_closed()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve in this thread: executors start no threads any more while Python exits."""
        return socket.getaddrinfo(host, port, **options)
