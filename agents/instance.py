"""Give a worker a name that is its own on this host, and the same again after a restart.

Kafka gives a member with a known name its partitions back at once; two with one name would throw
each other out. So each worker holds a lock on the first free number: it falls free with the
process, however that ends.
"""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

from agents.settings import Settings

_MOST = 1_000
_held: list[IO[str]] = []


def claim(settings: Settings, role: str) -> str:
    """Return the worker's name, held until the process ends.

    Raises:
        RuntimeError: there are a thousand workers of this role here already.
    """
    if settings.instance:
        return settings.instance
    for number in range(_MOST):
        name = (
            f"opwatch-{os.getuid()}-{settings.topic_prefix.replace('/', '_')}{role}-{number}.lock"
        )
        lock = (Path(tempfile.gettempdir()) / name).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _held.append(lock)
        return f"{socket.gethostname()}-{number}"
    message = f"{_MOST} workers of {role} run on this host: set OPWATCH_INSTANCE to name this one"
    raise RuntimeError(message)
