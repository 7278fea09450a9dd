"""Read recorded operations from JSON lines or CSV, each line judged before it is published."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal, NamedTuple

import msgspec
import orjson
from pydantic import ValidationError

from agents.cli.redrive import first_mistake
from schemas.fast import struct_of
from schemas.operations import Operation, Operations

Format = Literal["jsonl", "csv"]
#: Room for a record's headers below the broker's usual limit of 1 MB.
MAX_BYTES = 1_000_000
_MAX_NAMES = 100_000
#: An operation's fields, and how a CSV cell becomes one; what does not fit is left to the schema.
_TRUTH = {"true": True, "yes": True, "1": True, "t": True, "y": True, "ok": True}
_TRUTH |= {"false": False, "no": False, "0": False, "f": False, "n": False}
_NUMBERS = {"duration_ms", "confidence", "cache_ttl_s", "cache_evictions", "version"}


class Recorded(NamedTuple):
    """A line's operations as one record: its text, and when the last of them ended."""

    when_ms: int
    text: bytes

    def moved(self, by_ms: int) -> bytes:
        """Return the text with every occurred_at so much later; all else stays, known or not."""
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


class Bad(NamedTuple):
    """A line that is no operation."""

    number: int
    why: str


class Lines:
    """Turns lines into records.

    Args:
        kind: jsonl: an operation or an array of them a line; csv: a heading, then one a row.
        names: which column (or JSON key) is which field; others go by their own name.
        source: names operations that have no id, with the line's number; CSV only.
    """

    def __init__(self, kind: Format, names: Mapping[str, str], source: str) -> None:
        self.consumed = 0
        """Bytes read so far."""
        self._kind = kind
        self._names = dict(names)
        self._source = source[-100:]
        self._good_names: set[tuple[str, str]] = set()
        """Which the model accepted: the fast form does not look at how names are spelt."""
        self._fast: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct_of(Operation))

    def read(self, file: BinaryIO) -> Iterator[Recorded | Bad]:
        """Yield each line of a file as a record, or as what is wrong with it."""
        self.consumed = 0
        if self._kind == "csv":
            yield from self._rows(file)
            return
        for number, line in enumerate(file, 1):
            self.consumed += len(line)
            if line.strip():
                yield self.line(number, line)

    def line(self, number: int, line: bytes) -> Recorded | Bad:
        """Return a line of JSON as a record, or as what is wrong with it."""
        line = line.strip()
        if self._names:
            try:
                line = self._renamed(line)
            except orjson.JSONDecodeError as error:
                return Bad(number, f"not JSON: {error}")
        return self._judged(number, line)

    def _judged(self, number: int, text: bytes) -> Recorded | Bad:
        if len(text) > MAX_BYTES:
            return Bad(number, f"{len(text):,} bytes are too many for a record")
        try:
            plain = self._fast.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            plain = None  # an array, or wrong: the model knows
        names = (plain.operation, plain.platform) if plain else None
        if plain and names in self._good_names and isinstance(plain.occurred_at, int):
            return Recorded(plain.occurred_at, text)
        try:
            root = Operations.model_validate_json(text).root
        except ValidationError as error:
            return Bad(number, first_mistake(text, error))
        operations = root if isinstance(root, list) else [root]
        if not operations:
            return Bad(number, "an empty array")
        if names and len(self._good_names) < _MAX_NAMES:
            self._good_names.add(names)
        return Recorded(max(operation.occurred_at for operation in operations), text)

    def _renamed(self, line: bytes) -> bytes:
        body = orjson.loads(line)
        elements = body if isinstance(body, list) else [body]
        renamed = [self._fields(each) if isinstance(each, dict) else each for each in elements]
        return orjson.dumps(renamed if isinstance(body, list) else renamed[0])

    def _fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {self._names.get(name, name): value for name, value in row.items()}

    def _rows(self, file: BinaryIO) -> Iterator[Recorded | Bad]:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        try:
            rows = csv.DictReader(self._counted(text), restkey="", strict=True)
            while True:
                try:
                    row = next(rows)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Bad(rows.line_num, f"not CSV: {error}")
                    continue
                yield self._row(rows.line_num, row)
        finally:
            text.detach()

    def _row(self, number: int, row: Mapping[str, Any]) -> Recorded | Bad:
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
