"""Find a port that a server finds free again when it restarts."""

import secrets

from stack.net import is_free

#: Above the ports of known servers, below those that a system gives to clients: their attempts to
#: reach a server that is down would take its port, even by connecting to themselves.
_LASTING = range(20_000, 32_000)


def lasting_port() -> int:
    """Return a free port that nobody else is given meanwhile."""
    # Not `random`, which hypothesis seeds: tests side by side would draw the same ports.
    while not is_free(port := secrets.choice(_LASTING)):
        pass
    return port
