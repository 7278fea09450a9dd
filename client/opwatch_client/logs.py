"""Log at most one warning a minute, and nothing that aiokafka logs about our connection."""

import logging
import threading
import time

_WARN_EVERY_S = 60.0
_AIOKAFKA = (
    "aiokafka",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.consumer",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.producer",
    "aiokafka.producer.sender",
)

log = logging.getLogger("opwatch_client")


class Warnings:
    """One warning a minute, however often Kafka fails."""

    def __init__(self) -> None:
        """Let the first warning through."""
        self._next_s = float("-inf")

    def __call__(self, message: str, *values: object) -> None:
        """Log it unless another warning was logged within the last minute."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _WARN_EVERY_S
            log.warning(message, *values)


class _Ours(threading.local):
    is_ours = False
    last = ""


_ours = _Ours()


def mark_thread() -> None:
    """Take what is logged in this thread for ours."""
    _ours.is_ours = True


def last_error() -> str:
    """Return what aiokafka logged last of our connection: its exceptions often name no cause."""
    last, _ours.last = _ours.last, ""
    return last


def _of_the_host(line: logging.LogRecord) -> bool:
    if not _ours.is_ours:
        return True
    if line.levelno >= logging.ERROR:
        _ours.last = line.getMessage()
    return False


# aiokafka writes several lines a second while a broker is away, and at level DEBUG the SASL
# password. A host that uses aiokafka itself does so in other threads, whose lines stay.
for _name in _AIOKAFKA:
    logging.getLogger(_name).addFilter(_of_the_host)
