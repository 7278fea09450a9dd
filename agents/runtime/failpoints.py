"""Let a test kill this process at a named place: `OPWATCH_FAILPOINT=after_publish:3`."""

import os
import signal

_name, _, _count = os.environ.get("OPWATCH_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Kill this process if it reaches the configured place for the configured number of times."""
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
