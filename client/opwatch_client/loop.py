"""An event loop for a thread of its own, safe in forks and while Python exits."""

import asyncio
import os
import select
import selectors
import socket
from typing import Any

from opwatch_client.logs import log
from opwatch_client.threads import original


class _Selector(selectors.PollSelector):
    """Not epoll: a forked child shares the parent's set, and would remove its sockets from it."""

    _selector_cls = property(lambda _: original(select.__name__, "poll"))


class Loop(asyncio.SelectorEventLoop):
    """An event loop that a forked child does not touch, and that starts no further threads."""

    def __init__(self) -> None:
        """Create it in the process that will run it."""
        super().__init__(_Selector())
        self._made_in = os.getpid()
        self.set_exception_handler(lambda _, context: log.debug("%s", context.get("message")))

    def is_closed(self) -> bool:
        """Return True in a forked child too, so that aiokafka leaves the parent's sockets alone."""
        return os.getpid() != self._made_in or super().is_closed()

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve in this thread: executors start no threads while Python exits."""
        return original(socket.__name__, "getaddrinfo")(host, port, **options)
