"""Find free ports on loopback, and say whether an address answers."""

import socket
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """Return `preferred` where nobody listens on it, else any free port."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # A port that only waits out old connections is free for a server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {LOOPBACK}")


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port now."""
    return free_port(port) == port


def refusal(host: str, port: int, *, deadline_s: float = 5.0) -> str | None:
    """Return why nothing answers at this address, or None when something does."""
    try:
        socket.create_connection((host, port), timeout=deadline_s).close()
    except OSError as error:
        return (error.strerror or str(error) or type(error).__name__).lower()
    return None


def kafka_addresses(bootstrap: str) -> list[tuple[str, int]]:
    """Split `host:port,host:port`, with port 9092 by default."""
    addresses = []
    for part in bootstrap.split(","):
        split = urlsplit(f"//{part.strip().rpartition('://')[2]}")
        addresses.append((split.hostname or LOOPBACK, split.port or 9092))
    return addresses


def postgres_address(url: str) -> tuple[str, int]:
    """Return where a `postgresql://` URL points to."""
    split = urlsplit(url)
    return split.hostname or LOOPBACK, split.port or 5432
