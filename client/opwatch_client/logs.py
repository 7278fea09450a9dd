"""Say little: a warning a minute, and nothing of what aiokafka says about our connection."""

import logging
import threading
import time

THREAD_NAME = "opwatch-client"

_WARN_EVERY_S = 60.0
_AIOKAFKA = ("aiokafka", "aiokafka.cluster", "aiokafka.conn", "aiokafka.producer.sender")

log = logging.getLogger("opwatch_client")


class Warnings:
    """One warning a minute, however often Kafka fails."""

    def __init__(self) -> None:
        """Let the first one through."""
        self._next_s = float("-inf")

    def __call__(self, message: str, *values: object) -> None:
        """Log it unless something was logged within the last minute."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _WARN_EVERY_S
            log.warning(message, *values)


def _of_the_host(line: logging.LogRecord) -> bool:
    return line.levelno <= logging.DEBUG or threading.current_thread().name != THREAD_NAME


# aiokafka writes several lines a second while a broker is away. A host that uses aiokafka
# itself does so in other threads, whose lines are not touched.
for _name in _AIOKAFKA:
    logging.getLogger(_name).addFilter(_of_the_host)
