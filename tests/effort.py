"""How many examples a property tries: TEST_EFFORT times as many, as `make torture` asks for."""

import os

_EFFORT = int(os.environ.get("TEST_EFFORT", "1"))


def examples(count: int) -> int:
    """Return how many examples to try where `count` are enough for every change."""
    return count * _EFFORT
