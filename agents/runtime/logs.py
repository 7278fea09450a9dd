"""Write logs as JSON or for a person, without secrets and without repeats."""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from pydantic import SecretStr

from agents.runtime.escaping import visible, visible_json
from agents.runtime.masking import MASK, redactor
from agents.runtime.settings import Settings

__all__ = ["MASK", "QUIET", "configure", "redactor", "secrets"]

#: At info, these libraries log how they work, not what an operator must know.
QUIET = {
    "aiokafka": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiohttp.access": logging.WARNING,
}

#: Texts that may have several lines.
_OF_LINES = ("event", "exception", "stack")

_Event = MutableMapping[str, Any]


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send every log, ours and the libraries', to one place, in the form the settings name."""
    stream = stream or sys.stderr
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and stream.isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _Handler(stream, redactor(secrets(settings)))
    handler.setFormatter(_formatter(shared, console=console, colors=console and stream.isatty()))
    level = getattr(logging, settings.log_level.upper())
    _take_over(handler, level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def secrets(settings: Settings) -> list[str]:
    """Return the values that no log may show."""
    return [
        value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]


def _formatter(
    shared: list[structlog.typing.Processor], *, console: bool, colors: bool
) -> logging.Formatter:
    last: structlog.typing.Processor
    ready: list[structlog.typing.Processor]
    if console:
        traceback = structlog.dev.plain_traceback
        last = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=traceback)
        ready = [structlog.processors.format_exc_info, _visible]
    else:
        last = structlog.processors.JSONRenderer(serializer=_json, default=str)
        ready = [structlog.processors.format_exc_info]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            _repeats,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *ready,
            last,
        ],
    )


def _repeats(_logger: Any, _method: str, event: _Event) -> _Event:
    event.pop("repeats", None)  # where ExtraAdder put it
    if repeats := getattr(event.get("_record"), "repeats", 0):
        event["repeated"] = f"{repeats} times"
    return event


def _visible(_logger: Any, _method: str, event: _Event) -> _Event:
    """Escape what a terminal would obey; the renderer writes other values as repr."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = visible(value, "\n\t" if name in _OF_LINES else "")
    return event


def _json(event: Any, **options: Any) -> str:
    return visible_json(json.dumps(event, **options))


def _take_over(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level)
    for name, quiet in QUIET.items():
        library = logging.getLogger(name)
        library.setLevel(level if level == logging.DEBUG else max(level, quiet))
        library.propagate = True
        for old in library.handlers[:]:
            library.removeHandler(old)
    logging.captureWarnings(capture=True)


def _is_beacon(record: logging.LogRecord) -> bool:
    """Return whether a record is about the life of a Faust service."""
    if record.levelno >= logging.WARNING or not isinstance(record.msg, str):
        return False
    return record.msg.startswith("[^")


class _Handler(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO, redact: Callable[[str], str]) -> None:
        super().__init__(stream)
        self._redact = redact
        self._folder = Folder()

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        if _is_beacon(record) and logging.getLogger().level > logging.DEBUG:
            return
        for ready in self._folder.fold(record, time.monotonic()):
            super().emit(ready)

    def close(self) -> None:
        """Log the counts of repeats that were not logged yet."""
        try:
            for held in self._folder.drain():
                super().emit(held)
            self.flush()
        except ValueError:
            pass  # the stream is closed already
        super().close()


#: A repeated record is logged once in this many seconds, with a count.
SPAN_S = 60.0
#: The highest number of kinds of records; the oldest are forgotten.
KINDS = 1_000

#: Libraries that log an outage of a broker in many ways, several times a second.
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
    """Passes the first record of each kind, then logs the count of repeats each minute."""

    def __init__(self, span_s: float = SPAN_S) -> None:
        self._span_s = span_s
        self._kinds: dict[Any, _Kind] = {}

    def fold(self, record: logging.LogRecord, now_s: float) -> Iterable[logging.LogRecord]:
        """Return the records to write now: counts that are due, and this one if it is new."""
        ready = self._due(now_s)
        if record.levelno < logging.WARNING and isinstance(record.msg, dict):
            return [*ready, record]  # our own info is logged each time
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
        """Return a record for each kind whose repeats were not logged yet."""
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
                self._kinds[key] = _Kind(now_s)  # it may repeat: count for another minute
            else:
                del self._kinds[key]
        return ready


def kind_of(record: logging.LogRecord) -> Any:
    """Return the key that records with the same content share.

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
