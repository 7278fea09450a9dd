"""Read recorded operations from JSON lines or CSV, and say what is wrong with a line."""

import asyncio
import csv
import io
import math
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, BinaryIO, Literal, NamedTuple

import msgspec
import orjson
from pydantic import ValidationError

from schemas.fast_structs import struct_of
from schemas.operations import Operation, Operations

Format = Literal["jsonl", "csv"]
#: Room for a record's headers below the broker's usual limit of 1 MB.
MAX_BYTES = 1_000_000
_MAX_LINE = 16 * 1024 * 1024
_MAX_NAMES = 100_000
#: The models of a record, one operation or several, as pydantic names them.
_BRANCHES = ("Operation", "list[Operation]")
#: How a CSV cell becomes a field; the schema refuses what does not fit.
_TRUTH = {"true": True, "yes": True, "1": True, "t": True, "y": True, "ok": True}
_TRUTH |= {"false": False, "no": False, "0": False, "f": False, "n": False}
_NUMBERS = {"duration_ms", "confidence", "cache_ttl_s", "cache_evictions", "version"}


class RecordedOperations(NamedTuple):
    """The operations of a line, as the text of one record, and when the last of them ended."""

    when_ms: int
    text: bytes

    def moved(self, by_ms: int) -> bytes:
        """Return the text with every occurred_at this much later; all other fields stay."""
        if by_ms == 0:
            return self.text
        body = orjson.loads(self.text)
        if isinstance(body, dict):
            body["occurred_at"] = self.when_ms + by_ms
        else:
            root = Operations.model_validate_json(self.text).root
            assert isinstance(root, list)
            for element, operation in zip(body, root, strict=True):
                element["occurred_at"] = operation.occurred_at + by_ms
        return orjson.dumps(body)


class InvalidLine(NamedTuple):
    """A line that is no operation."""

    number: int
    why: str


class TimeSpan(NamedTuple):
    """When the first and the last operation of a file ended, epoch ms."""

    first_ms: int
    last_ms: int


class RecordingReader:
    """Turns lines into records.

    Args:
        kind: jsonl: a line is an operation or an array of them; csv: headings, then a row each.
        names: the field of a column (or JSON key); a column that is not in it is its own field.
        source: with the line's number the id of operations without one; CSV only.
    """

    def __init__(self, kind: Format, names: Mapping[str, str], source: str) -> None:
        self.consumed = 0
        """Bytes read so far."""
        self._kind = kind
        self._names = dict(names)
        self._source = source[-100:]
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

    def read(self, file: BinaryIO) -> Iterator[RecordedOperations | InvalidLine]:
        """Yield each line of a file as a record, or as what is wrong with it."""
        self.consumed = 0
        if self._kind == "csv":
            yield from self._rows(file)
            return
        for number, line in enumerate(file, 1):
            self.consumed += len(line)
            if line.strip():
                yield self.line(number, line)

    async def read_stdin(self) -> AsyncIterator[RecordedOperations | InvalidLine]:
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
            self.consumed += len(line)
            if line.strip():
                yield self.line(number, line)

    def line(self, number: int, line: bytes) -> RecordedOperations | InvalidLine:
        """Return a line of JSON as a record, or as what is wrong with it."""
        line = line.strip()
        if self._names:
            try:
                line = self._renamed(line)
            except orjson.JSONDecodeError as error:
                return InvalidLine(number, f"not JSON: {error}")
        return self._judged(number, line)

    def _judged(self, number: int, text: bytes) -> RecordedOperations | InvalidLine:
        if len(text) > MAX_BYTES:
            return InvalidLine(number, f"{len(text):,} bytes are too many for a record")
        try:
            plain = self._fast.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            plain = None  # an array, or wrong: the model decides
        names = (plain.operation, plain.platform) if plain else None
        if plain and names in self._valid_names and isinstance(plain.occurred_at, int):
            return RecordedOperations(plain.occurred_at, text)
        try:
            root = Operations.model_validate_json(text).root
        except ValidationError as error:
            return InvalidLine(number, first_mistake(text, error))
        operations = root if isinstance(root, list) else [root]
        if not operations:
            return InvalidLine(number, "an empty array")
        if names and len(self._valid_names) < _MAX_NAMES:
            self._valid_names.add(names)
        return RecordedOperations(max(operation.occurred_at for operation in operations), text)

    def _renamed(self, line: bytes) -> bytes:
        body = orjson.loads(line)
        elements = body if isinstance(body, list) else [body]
        renamed = [self._fields(item) if isinstance(item, dict) else item for item in elements]
        return orjson.dumps(renamed if isinstance(body, list) else renamed[0])

    def _fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {self._names.get(name, name): value for name, value in row.items()}

    def _rows(self, file: BinaryIO) -> Iterator[RecordedOperations | InvalidLine]:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        try:
            rows = csv.DictReader(self._counted(text), restkey="", strict=True)
            while True:
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield InvalidLine(rows.line_num, f"not CSV: {error}")
                    continue
                yield self._row(rows.line_num, row)
        finally:
            text.detach()

    def _row(self, number: int, row: Mapping[str, Any]) -> RecordedOperations | InvalidLine:
        cells = {name: cell for name, cell in row.items() if name and cell not in (None, "")}
        fields = {name: _value(name, cell) for name, cell in self._fields(cells).items()}
        fields.setdefault("id", f"{self._source}:{number}")
        return self._judged(number, orjson.dumps(fields))

    def _counted(self, text: io.TextIOWrapper) -> Iterator[str]:
        for line in text:
            self.consumed += len(line.encode())
            yield line


def _value(field: str, cell: str) -> Any:
    cell = cell.strip()
    try:
        if field in _NUMBERS:
            return int(cell) if cell.lstrip("-").isdigit() else float(cell)
        if field == "occurred_at" and cell.isdigit():
            return int(cell)
    except ValueError:
        return cell
    if field == "success":
        return _TRUTH.get(cell.lower(), cell)
    return cell.lower() if field == "cache" else cell


def first_mistake(value: bytes, error: ValidationError) -> str:
    """Return the first mistake in a sentence that a person can act on."""
    mistakes = error.errors(include_url=False, include_input=False)
    # Mistakes by the model that the bytes look like.
    branch = _BRANCHES[value.lstrip().startswith(b"[")]
    mistakes = [it for it in mistakes if it["loc"][:1] == (branch,)] or mistakes
    first = mistakes[0]
    where = ".".join(str(part) for part in first["loc"] if part not in _BRANCHES)
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return f"{where}: {first['msg']}{more}" if where else f"{first['msg']}{more}"
