"""Return a name for a worker that no other process has, and the same after a restart.

A member that comes back with its name gets its partitions at once; two members with one name
throw each other out. A default name has the kernel's boot id, the network namespace and the first
number that no process there uses. A socket in Linux's abstract namespace reserves the number: it
needs no writable folder, all processes in the network namespace see it, whatever their /tmp, and it
ends with the process.
"""

import errno
import hashlib
import os
import socket
import sys
import time
import uuid
from pathlib import Path

from agents.runtime.refusals import Refusal
from agents.runtime.settings import Settings

#: A process with the same name may take this long to end.
PATIENCE_S = 5.0
_RETRY_S = 0.1
_MOST = 1_000
_locks: list[socket.socket] = []


def claim(settings: Settings, role: str) -> str:
    """Return the worker's name, reserved until the process ends.

    Raises:
        Refusal: OPWATCH_INSTANCE names a worker of this role that runs on this host.
    """
    group = f"{settings.kafka_bootstrap} {settings.topic_prefix}{role}"
    if settings.instance:
        _lock_or_refuse(group, settings.instance, role)
        return settings.instance
    host = socket.gethostname()
    network = _network()
    if network is not None:
        for number in range(_MOST):
            held = _lock(f"{group} {number}")
            if held:
                return f"{host}-{network}-{number}"
            if held is None:
                break
    return f"{host}-{uuid.uuid4().hex[:12]}"


def _lock_or_refuse(group: str, name: str, role: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while _lock(f"{group} ={name}") is False:
        if time.monotonic() > give_up:
            raise Refusal(
                f"another {role} worker runs here as {name!r}: set OPWATCH_INSTANCE to a name that"
                " no other worker has, or leave it out."
            )
        time.sleep(_RETRY_S)


def _lock(key: str) -> bool | None:
    """Return whether this process has reserved the key; None if the system has no such locks."""
    if sys.platform != "linux":
        return None
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(b"\0opwatch-" + hashlib.sha256(key.encode()).hexdigest().encode())
    except OSError as error:
        lock.close()
        return False if error.errno == errno.EADDRINUSE else None
    _locks.append(lock)
    return True


def _network() -> str | None:
    """Return an id of this network namespace that no other machine has; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        namespace = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116 - not where it points to
    except OSError:
        return None
    return hashlib.sha256(f"{boot.strip()} {namespace}".encode()).hexdigest()[:12]
