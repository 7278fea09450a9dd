"""Whatever is sent to a worker's pages, it answers no 5xx of its own, and lives on."""

import asyncio
import contextlib
import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from agents.alert.ack_links import Links
from schemas.breaches import Breach
from streams.channels.message import Message
from streams.channels.request import FORM
from tests import preloaded
from tests.integration.command_line import Cli
from tests.unit.messages.samples import breach

SECRET = "0123456789abcdef"
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))
PATHS = ["/metrics", "/healthz", "/readyz", "/acknowledge/", "/acknowledge/{token}", "/", "*"]
METHODS = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "GEŤ",
    "",
]
TYPES = [
    FORM, "application/json", "multipart/form-data", "multipart/form-data; boundary=x",
    "text/plain",
    f"{FORM}; charset=utf-7", f"{FORM}; charset=nonsense", f"{FORM}; charset=",
    "", "\xff/\xfe", ";",
    "a/" + "b" * 5000,
]  # fmt: skip
NAMES = ["content-length", "transfer-encoding", "host", "expect", "connection", "upgrade", "range",
         "content-encoding", "cookie", "x" * 300, "accept", "authorization", "x-forwarded-host",
         "sec-websocket-key", "http2-settings", "if-none-match"]  # fmt: skip
VALUES = ["", "0", "-1", "99999999999999999999", "chunked", "gzip, chunked", "100-continue",
          "close",
          "websocket", "h2c", "evil.example", "a\tb", "\x01", "\xff", "bytes=0-", "x" * 9000,
          "gzip", "deflate", "br", "keep-alive", "*/*;q=9"]  # fmt: skip
BODIES = [b"", b"by=ann", b"by=ann&by=bob", b"by=%ff%fe", b"by=" + b"x" * 50_000, b"\0" * 3000,
          b"{", b"--x\r\n\r\n--x--", b"5\r\nby=an\r\n0\r\n\r\n", b"ffffffffffffffff\r\n",
          b"by=" + "😀".encode() * 300, b"&" * 3000, b"=" * 30, b"%" * 30]  # fmt: skip


def token(number: int = 1, secret: str = SECRET, created_ms: int | None = None) -> str:
    links = Links(secret=secret.encode(), public_url="https://x.example")
    of: Breach = breach(fingerprint=f"alert-{number}", id=f"episode-{number}")
    at_ms = int(time.time() * 1000) if created_ms is None else created_ms
    url = links.url_of(Message(delivery="d", event="opened", breach=of, created_ms=at_ms))
    assert url is not None
    return url.rpartition("/")[2]


def drawn_token(rng: random.Random) -> str:
    good = token(rng.randrange(3))
    kind = rng.randrange(9)
    if kind == 0:
        return token(secret="fedcba9876543210")
    if kind == 1:
        return token(created_ms=0)
    if kind == 2:
        place = rng.randrange(len(good))
        return good[:place] + rng.choice("Aa.-_/%?#\xe9 ") + good[place + 1 :]
    if kind == 3:
        return rng.choice(["", ".", "..", "../metrics", "//evil.example", "%00", "%2e%2e%2f", "%ff",
                           "%ed%a0%80", "a" * 9000, quote("é.é"), "a.b?c=d", good * 2])  # fmt: skip
    return good


def drawn(rng: random.Random) -> bytes:
    """Return a request, or what is none."""
    kind = rng.randrange(20)
    if kind == 0:
        return rng.randbytes(rng.randrange(1, 3000))
    if kind == 1:
        return rng.choice([b"\r\n" * 50, b"\x16\x03\x01\x02\x00\x01",
                           b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                           b"GET /metrics", b"GET", b"\0", b"GET /healthz HTTP/9.9\r\n\r\n",
                           b"GET /healthz\r\n\r\n", b"A" * 70_000])  # fmt: skip
    path = rng.choice(PATHS).format(token=drawn_token(rng))
    method = rng.choice(METHODS[:2] if rng.random() < 0.6 else METHODS)
    lines = [f"{method} {path} HTTP/1.{rng.choice('1110')}"]
    body = rng.choice(BODIES)
    if rng.random() < 0.9:
        lines.append(f"host: {rng.choice(['x', 'evil.example', '', 'a' * 300])}")
    if method == "POST" or rng.random() < 0.2:
        lines.append(f"content-type: {rng.choice(TYPES[:1] if rng.random() < 0.5 else TYPES)}")
        if rng.random() < 0.8:
            lines.append(f"content-length: {len(body)}")
    for _ in range(rng.choice([0, 0, 0, 1, 2, 5])):
        lines.append(f"{rng.choice(NAMES)}: {rng.choice(VALUES)}")
    if rng.random() < 0.02:
        lines += [f"h{i}: 1" for i in range(2000)]
    written = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body
    if rng.random() < 0.1:
        place = rng.randrange(len(written))
        written = written[:place] + rng.randbytes(rng.randrange(9)) + written[place + 1 :]
    return written


async def answers(port: int, request: bytes, wait_s: float = 0.5) -> list[int]:
    """Return the statuses that come back; nothing may."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        writer.write(request)
        await writer.drain()
        async with asyncio.timeout(wait_s):
            while chunk := await reader.read(65_536):
                answer += chunk
                if b"\r\n\r\n" in answer and b"connection: close" not in request:
                    wait_s = 0.05
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    assert b"evil.example" not in answer.lower().partition(b"\r\n\r\n")[0]
    assert b"location:" not in answer.lower()
    return [int(one) for one in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


class Worker:
    def __init__(self, cli: Cli, role: str) -> None:
        self.log = Path(cli.folder, f"{role}.log")
        settings = {
            "OPWATCH_HTTP_PORT": "0",
            "OPWATCH_LOG_FORMAT": "json",
            "OPWATCH_LINK_SECRET": SECRET,
            "OPWATCH_PUBLIC_URL": "https://x.example",
        }
        rules = Path(cli.folder, "rules.yaml")
        rules.write_text("version: 1\n")
        settings["OPWATCH_RULE_FILE"] = str(rules)
        environment = cli.environment | settings
        self.process = preloaded.start(["worker", role], environment, cli.folder, self.log)
        ends = time.monotonic() + 180
        while not (found := re.search(r"127\.0\.0\.1:(\d+)/metrics", self.log.read_text())):
            assert time.monotonic() < ends, self.log.read_text()[-3000:]
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.1)
        self.port = int(found[1])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=["measure", "alert"])
def worker(cli: Cli, request: pytest.FixtureRequest) -> Iterator[Worker]:
    one = Worker(cli, request.param)
    yield one
    one.close()


async def fuzz(worker: Worker, rng: random.Random) -> None:
    wrong = []
    for _ in range(REQUESTS // 8):
        together = [drawn(rng) for _ in range(8)]
        statuses = await asyncio.gather(*(answers(worker.port, one) for one in together))
        for one, many in zip(together, statuses, strict=True):
            # /readyz says 503 while the worker is not ready.
            if any(status >= 500 and not (status == 503 and b"/readyz" in one) for status in many):
                wrong.append((one[:300], many))
        assert worker.process.poll() is None
    assert wrong == []
    assert await answers(worker.port, b"GET /healthz HTTP/1.0\r\n\r\n", 5) == [200]
    assert await answers(worker.port, b"GET /metrics HTTP/1.0\r\n\r\n", 5) == [200]


def test_random_http_gets_no_5xx_and_the_worker_lives(worker: Worker):
    seed = int(os.environ.get("FUZZ_SEED", "1"))
    asyncio.run(fuzz(worker, random.Random(seed)))
    log = worker.log.read_text()
    assert "Traceback" not in log
    assert SECRET not in log


def test_the_page_tells_what_the_worker_on_duty_decided(cli: Cli):
    worker = Worker(cli, "alert")
    try:
        now_ms = int(time.time() * 1000)
        of = breach(fingerprint="alert-1", id="episode-1", opened_ms=now_ms, since_ms=now_ms)
        cli.publish("breaches", [{"value": of.model_dump_json().encode(), "key": b"alert-1"}])
        until(lambda: cli.topic("notifications"))
        page, status = posted(worker.port, b"by=ann&comment=on+it")
        assert (status, "is acknowledged by ann" in page) == (200, True)
        page, status = posted(worker.port, b"by=bob")
        assert (status, "ann has acknowledged it already" in page) == (409, True)
        shown = cli("alerts", "show", "alert-1")
        assert "acknowledged, by ann" in shown.stdout, shown.stdout
    finally:
        worker.close()


def posted(port: int, body: bytes) -> tuple[str, int]:
    async def post() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST /acknowledge/{token()} HTTP/1.0\r\ncontent-type: {FORM}\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        answer = await asyncio.wait_for(reader.read(), 40)
        writer.close()
        return answer

    answer = asyncio.run(post())
    return answer.decode(), int(answer.split()[1])


def until(probe) -> None:
    ends = time.monotonic() + 60
    while not probe():
        assert time.monotonic() < ends
        time.sleep(0.3)
