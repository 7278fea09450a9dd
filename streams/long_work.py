"""Cut long work into steps, so that whoever does it can let others go on in between."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that yields after each step of some milliseconds at most, and returns its result."""


def finish(steps: Steps[T]) -> T:
    """Return the result of work, doing all of it at once."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
