"""Ask /healthz all the time, from a process of its own, and print how long it was silent.

    python -m tests.acceptance.healthz 127.0.0.1:9464

A line for each answer that took long: the seconds of silence and when they ended, by the
monotonic clock, which all processes share. SIGTERM ends it.
"""

import os
import socket
import sys
import time
from contextlib import suppress

_EVERY_S = 0.05
_WORTH_TELLING_S = 0.5
_TIMEOUT_S = 60.0
_REQUEST = b"GET /healthz HTTP/1.0\r\n\r\n"


def is_answered(host: str, port: int) -> bool:
    """Return whether /healthz says 200."""
    with suppress(OSError), socket.create_connection((host, port), _TIMEOUT_S) as connection:
        connection.sendall(_REQUEST)
        return b" 200 " in connection.recv(64)
    return False


def main() -> None:
    """Ask until SIGTERM."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # what is measured is the worker, not this
    host, port = sys.argv[1].split(":")
    last = time.monotonic()
    while True:
        if is_answered(host, int(port)):
            now = time.monotonic()
            if now - last > _WORTH_TELLING_S:
                print(f"{now - last:.3f} {now:.3f}", flush=True)
            last = now
        time.sleep(_EVERY_S)


if __name__ == "__main__":
    main()
