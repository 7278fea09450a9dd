"""Read recorded operations from JSON lines, CSV or access logs; say what is wrong with a line."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO

import msgspec

from agents.replay.csv_rows import Rows
from agents.replay.encodings import UTF_8, TextLines, UnusableFile, text_of, without_mark
from agents.replay.formats import Recording
from agents.replay.recorded_lines import InvalidLine, RecordedOperations, TimeSpan, dumps, loads
from schemas.fast_structs import struct_of
from schemas.operations import FIRST_MS, Operation
from streams.measure.operation_reader import times_of
from streams.record_limits import RefusedRecord

Line = RecordedOperations | InvalidLine
#: Room for a record's headers below the broker's usual limit of 1 MB.
MAX_BYTES = 1_000_000
_MAX_LINE = 16 * 1024 * 1024
_MAX_NAMES = 100_000


class RecordingReader:
    """Turns lines into records."""

    def __init__(self, recording: Recording, source: str, encoding: str = UTF_8) -> None:
        """Read what is recorded so.

        Args:
            recording: what the lines are.
            source: with the line's number the id of operations without one.
            encoding: of the texts; its lines end in the byte of a line feed.
        """
        self.consumed = 0
        """Bytes read so far."""
        self.blank = 0
        """Blank lines read so far."""
        self.in_seconds = 0
        """Lines of which a time was a number of seconds."""
        self._kind = recording.kind
        self._map = recording.fields
        self._access_log = recording.access_log
        self._source = source[-100:]
        self._encoding = encoding
        self._valid_names: set[tuple[str, str]] = set()
        """Names that the model has accepted: the fast decoder does not check their spelling."""
        self._fast: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct_of(Operation))

    def span_of(self, file: BinaryIO) -> TimeSpan | None:
        """Return the times of a file's operations, None if it has none; the file is rewound."""
        first, last = math.inf, -math.inf
        for line in self.read(file):
            if isinstance(line, RecordedOperations):
                first, last = min(first, line.when_ms), max(last, line.when_ms)
        file.seek(0)
        return None if first > last else TimeSpan(int(first), int(last))

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """Yield each line of a file as a record, or as what is wrong with it.

        Raises:
            UnusableFile: nothing of it can be read.
        """
        self.consumed = self.blank = self.in_seconds = 0
        if self._kind == "csv":
            yield from self._rows(TextLines(file, self._encoding))
            return
        for number, line in enumerate(file, 1):
            if found := self._read_line(number, line):
                yield found

    async def read_stdin(self) -> AsyncIterator[Line]:
        """Yield each line of a pipe, when it arrives, as a record or as what is wrong with it."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader(limit=_MAX_LINE)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin.buffer)
        number = 0
        while True:
            number += 1
            try:
                line = await stream.readline()
            except ValueError:
                yield InvalidLine(number, f"more than {_MAX_LINE:,} bytes")
                continue
            if not line:
                return
            if found := self._read_line(number, line):
                yield found

    def line(self, number: int, line: bytes) -> Line:
        """Return a line of JSON, or of an access log, as a record, or as what is wrong with it."""
        try:
            if self._encoding != UTF_8:
                line = text_of(line, self._encoding).encode()
            line = line.strip()
            if self._kind == "access":
                text = text_of(line, UTF_8)
                return self._made(number, self._access_fields(text))
            if self._map:
                line = self._mapped(number, line)
            return self._judged(number, line)
        except Exception as error:  # noqa: BLE001 - whatever a line does, it costs no other
            return _invalid(number, error)

    def _read_line(self, number: int, line: bytes) -> Line | None:
        self.consumed += len(line)
        if number == 1:
            line = without_mark(line)
        if line.strip():
            return self.line(number, line)
        self.blank += 1
        return None

    def _judged(self, number: int, text: bytes) -> Line:
        if len(text) > MAX_BYTES:
            return InvalidLine(number, f"{len(text):,} bytes are too many for a record")
        try:
            plain = self._fast.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            plain = None  # an array, or unusual, or wrong: the worker's own reader decides
        names = (plain.operation, plain.platform) if plain else None
        if plain and names in self._valid_names and isinstance(plain.occurred_at, int):
            return RecordedOperations(plain.occurred_at, text, number)
        found = times_of(text)
        if isinstance(found, RefusedRecord):
            text_of(text, UTF_8)  # another encoding explains more than what JSON makes of it
            where = "" if found.index is None else f"element {found.index}: "
            return InvalidLine(number, where + found.detail)
        self.in_seconds += _has_seconds(text)
        if names and len(self._valid_names) < _MAX_NAMES:
            self._valid_names.add(names)
        is_array = text.startswith(b"[")
        return RecordedOperations(max(found), text, number, tuple(found) if is_array else ())

    def _mapped(self, number: int, line: bytes) -> bytes:
        body = loads(line)
        several = isinstance(body, list)
        made = []
        for index, element in enumerate(body if several else [body]):
            if isinstance(element, dict):
                element = self._map.apply(element)
                place = f"{number}:{index}" if several else f"{number}"
                element.setdefault("id", f"{self._source}:{place}")
            made.append(element)
        return dumps(made if several else made[0])

    def _access_fields(self, line: str) -> dict[str, Any]:
        made = self._map.apply(self._access_log.row(line))
        # No more than an operation has: nobody asked for the addresses of a site's visitors.
        return {name: value for name, value in made.items() if name in self._map.fields}

    def _made(self, number: int, fields: dict[str, Any]) -> Line:
        fields.setdefault("id", f"{self._source}:{number}")
        return self._judged(number, dumps(fields))

    def _rows(self, lines: TextLines) -> Iterator[Line]:
        rows = Rows(lines)
        while True:
            try:
                row = next(rows)
                made = self._made(lines.number, self._map.apply(row))
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - whatever a row does, it costs no other
                made = _invalid(lines.number, error)
            finally:
                self.consumed, self.blank = lines.consumed, rows.blank
            yield made


def _invalid(number: int, error: Exception) -> InvalidLine:
    if isinstance(error, UnusableFile):
        raise error
    if isinstance(error, ValueError):
        return InvalidLine(number, str(error))
    return InvalidLine(number, f"{type(error).__name__}: {error}")


class _Time(msgspec.Struct):
    occurred_at: Any


_times_of = msgspec.json.Decoder(_Time | list[_Time]).decode


def _has_seconds(text: bytes) -> bool:
    try:
        found = _times_of(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    times = [time.occurred_at for time in (found if isinstance(found, list) else [found])]
    return any(isinstance(time, int | float) and time < FIRST_MS for time in times)
