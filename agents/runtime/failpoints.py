"""Let a test kill this process at a named place: `OPWATCH_FAILPOINT=after_publish:3`."""

import os
import signal

_name, _, _count = os.environ.get("OPWATCH_FAILPOINT", "").partition(":")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Die by SIGKILL, when this is the place, the so-manieth time it is reached."""
    global _left
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
