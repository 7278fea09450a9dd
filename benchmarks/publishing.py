"""Publish in the background, and end with the case: later cases have the machine to themselves."""

import threading
from typing import Self


class Publishing(threading.Thread):
    """Publishes inside of `with`; `run` returns soon after `ended` is set."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ended = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join()
