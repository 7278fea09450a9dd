"""Start threads of the operating system, also where gevent has made greenlets of Python's."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_POLL_S = 0.005
#: What `ps -T` and debuggers show.
_NAME = "opwatch-client"


def is_patched() -> bool:
    """Return whether a thread of `threading` would be a greenlet in the host's own thread."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def original(module: str, name: str) -> Any:
    """Return what a module of the standard library had before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(sys.modules[module], name)


def lock() -> Any:
    """Return a reentrant lock between threads of the operating system."""
    return original("_thread", "RLock")()


class NativeThread:
    """A daemon thread, in which an event loop of its own can run.

    In a greenlet the loop would be the one that runs in the host's thread, and the host's own
    `asyncio.run` would refuse to start.
    """

    def __init__(self, target: Callable[[], None], name: str = _NAME) -> None:
        """Start nothing yet."""
        self._target = target
        self._name = name
        self._is_running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: no thread can be started now.
        """
        self._is_running = True
        try:
            if is_patched():
                original("_thread", "start_new_thread")(self._run, ())
            else:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
        except RuntimeError:
            self._is_running = False
            raise

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False on a timeout."""
        if self._thread is not None:
            self._thread.join(max(0.0, timeout_s))
            return not self._thread.is_alive()
        give_up_s = time.monotonic() + timeout_s
        while self._is_running and time.monotonic() < give_up_s:
            time.sleep(_POLL_S)  # gevent's: other greenlets go on
        return not self._is_running

    def _run(self) -> None:
        try:
            self._target()
        finally:
            self._is_running = False
