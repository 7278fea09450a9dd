"""Serve HTTP/1.1 by hand, so that a test can break it wherever a network would."""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from tests.receivers.local_server import LocalServer
from tests.receivers.says import Say, Status, act

MAX_BODY = 2 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A request, when it came, and what was wrong with it."""

    at: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    mistakes: list[str] = field(default_factory=list)
    said: Say | None = None


#: Reads a request as its vendor would: what is wrong with it, and what the vendor says.
Vendor = Callable[[Arrived], tuple[list[str], Status]]
#: A vendor does nothing of what it answers with this status, or a higher one.
_REFUSED_FROM = 300


@runtime_checkable
class Follows(Protocol):
    """A vendor that keeps what it accepts; without an answer nobody knows that it did."""

    def accept(self, arrived: Arrived) -> None: ...


class Receiver(LocalServer):
    """A server on this machine. What the script holds is said first, then what the vendor says."""

    def __init__(self, vendor: Vendor, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        super().__init__(port)
        self.script: deque[Say] = deque()
        self.arrived: list[Arrived] = []
        self.on_arrival: Callable[[Arrived], None] = lambda _: None
        self._vendor = vendor
        self._tls = tls

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self._tls)

    @property
    def url(self) -> str:
        """Where it listens, by name: its certificate is for `localhost`."""
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def says(self, *says: Say) -> None:
        """Say these next, one a request."""
        self.script.extend(says)

    @property
    def mistakes(self) -> list[str]:
        """What was wrong with all that came."""
        return [mistake for one in self.arrived for mistake in one.mistakes]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (arrived := await _read(reader)) is not None:
                if not await self._answer(arrived, writer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            pass  # the client left
        except asyncio.CancelledError:
            pass  # the server ends; asyncio.streams would log it as an error
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, ssl.SSLError):
                writer.transport.abort()

    async def _answer(self, read: Arrived, writer: asyncio.StreamWriter) -> bool:
        mistakes, usual = self._vendor(read)
        say = self.script.popleft() if self.script else usual
        arrived = Arrived(**{**vars(read), "mistakes": mistakes, "said": say})
        is_refused = bool(mistakes) or (isinstance(say, Status) and say.status >= _REFUSED_FROM)
        if isinstance(self._vendor, Follows) and not is_refused:
            self._vendor.accept(arrived)
        self.arrived.append(arrived)
        self.on_arrival(arrived)
        return await act(say, writer)


async def _read(reader: asyncio.StreamReader) -> Arrived | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} is there twice"
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    assert length <= MAX_BODY
    body = await reader.readexactly(length)
    return Arrived(at=time.time(), method=method, path=path, headers=headers, body=body)


def taken(arrived: Iterable[Arrived]) -> list[Arrived]:
    """Return those that were answered with success."""
    return [one for one in arrived if isinstance(one.said, Status) and 200 <= one.said.status < 300]
