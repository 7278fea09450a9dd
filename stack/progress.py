"""Print the progress of slow steps on stderr."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(sentence: str) -> None:
    """Print one progress line."""
    print(f"stack: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def step(doing: str) -> Iterator[None]:
    """Print that a slow step begins, and then how long it took."""
    say(f"{doing} …")
    begun = time.monotonic()
    yield
    say(f"{doing}: done in {time.monotonic() - begun:.1f} s")
