"""What a receiver may say or do instead of taking a message."""

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Status:
    """Answers with a status."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Hang:
    """Answers nothing for so long, then cuts the connection."""

    seconds: float = 3600.0


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Cuts the connection without an answer."""


@dataclass(frozen=True, kw_only=True)
class CutBody:
    """Announces a longer body than it sends."""

    status: int
    part: bytes


@dataclass(frozen=True, kw_only=True)
class Drip:
    """Sends its body so slowly that only a deadline ends it."""

    status: int
    every_s: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Endless:
    """Sends a body of 64 MB, as fast as it is read."""

    status: int


Say = Status | Hang | Cut | CutBody | Drip | Endless


def redirect(to: str, status: int = 307) -> Status:
    """Return an answer that sends the client elsewhere."""
    return Status(status=status, headers={"location": to})


async def act(say: Say, writer: asyncio.StreamWriter) -> bool:
    """Write it. Returns whether the connection may be used again."""
    match say:
        case Status():
            writer.write(_head(say.status, len(say.body), say.headers) + say.body)
            await writer.drain()
            return True
        case Hang():
            await asyncio.sleep(say.seconds)
        case Cut():
            pass
        case CutBody():
            writer.write(_head(say.status, len(say.part) + 100, {}) + say.part)
            await writer.drain()
        case Drip():
            writer.write(_head(say.status, 1 << 20, {}))
            await _pour(writer, b".", 1000, say.every_s)
        case Endless():
            writer.write(_head(say.status, 1 << 40, {}))
            await _pour(writer, b"." * 65536, 1000, 0)
    return False


async def _pour(writer: asyncio.StreamWriter, part: bytes, times: int, every_s: float) -> None:
    # Counted: a TLS transport whose peer has left says neither that it is closing nor that it is
    # full, and a loop that waits for either never lets anyone else run.
    for _ in range(times):
        if writer.is_closing():
            break
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(every_s)


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    named = {"content-length": str(length)} | headers
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def parse(text: str) -> Say:
    """Return what is written as `429:2` (Retry-After 2), `503`, `hang`, `hang:5`, `cut`, `cutbody`.

    Raises:
        ValueError: it is none of these.
    """
    name, _, given = text.partition(":")
    plain: dict[str, Any] = {"cut": Cut(), "drip": Drip(status=200), "endless": Endless(status=200)}
    if name in plain:
        return plain[name]
    if name == "hang":
        return Hang(seconds=float(given)) if given else Hang()
    if name == "cutbody":
        return CutBody(status=int(given or 200), part=b"o")
    if name == "redirect":
        return redirect(given)
    return Status(status=int(name), headers={"retry-after": given} if given else {})
