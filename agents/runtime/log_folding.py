"""Decide which log records are repeats, to be counted instead of written."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: A thing that keeps happening is said once in so long, with how often it happened.
SPAN_S = 60.0
#: More kinds of records than this are not kept apart; the oldest are forgotten.
KINDS = 1_000

#: Libraries that speak of a broker that is away in a dozen ways, several times a second.
_OUTAGE_LOGGERS = ("aiokafka", "faust", "mode")
_OUTAGE_WORDS = (
    "connect",
    "metadata",
    "failed fetch",
    "heartbeat",
    "coordinator",
    "got error produce",
    "broker",
    "not ready",
    "timed out",
    "timeout",
)


@dataclass(slots=True)
class _Kind:
    since: float
    repeats: int = 0
    last: logging.LogRecord | None = None


class Folder:
    """Let the first of each kind pass, count those of the next minute, then say how many."""

    def __init__(self, span_s: float = SPAN_S) -> None:
        self._span_s = span_s
        self._kinds: dict[Any, _Kind] = {}

    def fold(self, record: logging.LogRecord, now_s: float) -> Iterable[logging.LogRecord]:
        """Return what is to be written now: counts that are due, and the record unless held."""
        ready = self._due(now_s)
        if record.levelno < logging.WARNING and isinstance(record.msg, dict):
            return [*ready, record]  # what we say at info is said once each
        kind = kind_of(record)
        held = self._kinds.get(kind)
        if held is None:
            while len(self._kinds) >= KINDS:
                self._kinds.pop(next(iter(self._kinds)))
            self._kinds[kind] = _Kind(now_s)
            return [*ready, record]
        held.repeats += 1
        held.last = record
        return ready

    def drain(self) -> Iterable[logging.LogRecord]:
        """Return a record for each kind that has repeats nobody was told of."""
        held = [_counted(kind) for kind in self._kinds.values() if kind.repeats]
        self._kinds.clear()
        return held

    def _due(self, now_s: float) -> list[logging.LogRecord]:
        ready = []
        for key, kind in list(self._kinds.items()):
            if now_s - kind.since < self._span_s:
                continue
            if kind.repeats:
                ready.append(_counted(kind))
                self._kinds[key] = _Kind(now_s)  # it goes on: the next one waits its minute
            else:
                del self._kinds[key]
        return ready


def kind_of(record: logging.LogRecord) -> Any:
    """Return what two records share that say the same.

    Ours are the same with the same fields; a library's by its template. All that the Kafka
    libraries say while a broker is away is one kind.
    """
    message = record.msg
    if isinstance(message, dict):
        fields = {key: value for key, value in message.items() if key != "timestamp"}
        return record.name, repr(sorted(fields.items(), key=lambda item: str(item[0])))
    library = record.name.partition(".")[0]
    template = str(message)
    if library in _OUTAGE_LOGGERS and record.levelno >= logging.WARNING:
        lowered = template.lower()
        if any(word in lowered for word in _OUTAGE_WORDS):
            return library, "outage"
    return record.name, record.levelno, template


def _counted(kind: _Kind) -> logging.LogRecord:
    assert kind.last is not None
    kind.last.repeats = kind.repeats
    return kind.last
