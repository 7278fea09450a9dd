"""Ask a server, and say what the client is to count of it."""

import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from schemas.operations import Operation
from tests.integration.client_host import Host

REQUESTS = 60


def counts(operations: list[Operation]) -> dict[tuple[str, bool], int]:
    return dict(Counter((it.operation, it.success) for it in operations))


#: Method, path, the route, whether it is a success.
ASKED = [
    ("GET", "/jobs/{n}", "GET /jobs/{id}", True),
    ("POST", "/api/jobs/{n}/parse", "POST /api/jobs/{id}/parse", False),
    ("GET", "/missing/{n}?x={n}", "GET /missing/{id}", True),
    ("GET", "/nowhere/{n}", "GET (no route)", True),
    ("GET", "/broken", "GET /broken", False),
    ("GET", "/stream", "GET /stream", True),
    ("BREW", "/nowhere", "other (no route)", True),
]


def ask(port: int, method: str, path: str) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def load(
    host: Host,
    process: "subprocess.Popen[bytes]",
    port: int,
    asked: list[tuple[str, str, str, bool]],
) -> None:
    give_up = time.monotonic() + 60
    while True:  # a socket that listens does not answer yet
        try:
            ask(port, "OPTIONS", "/up")
            break
        except OSError:
            assert process.poll() is None, host.output.read_text()
            assert time.monotonic() < give_up
            time.sleep(0.1)
    with ThreadPoolExecutor(8) as pool:
        paths = [
            (method, path.replace("{n}", str(n)))
            for n in range(REQUESTS // len(asked) + 1)
            for method, path, _, _ in asked
        ]
        list(pool.map(lambda it: ask(port, *it), paths))
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    out = host.output.read_text()
    assert not re.search("opwatch (cannot|could|dropped|lost|left)", out), out


def expected(asked: list[tuple[str, str, str, bool]]) -> dict[tuple[str, bool], int]:
    return {(route, success): REQUESTS // len(asked) + 1 for _, _, route, success in asked}


def found(operations: list[Operation]) -> dict[tuple[str, bool], int]:
    """Return the counts, without the requests that waited for the server."""
    return {key: it for key, it in counts(operations).items() if not key[0].startswith("OPTIONS")}
