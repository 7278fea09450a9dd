"""Read operations out of records; say of each record or element that is refused why."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import msgspec
from pydantic import ValidationError

from schemas.dead_letters import Reason
from schemas.fast import struct_of
from schemas.operations import NAME_PATTERN, Operation

#: A larger record is refused unread: Kafka's own default bound is a quarter of it.
MAX_RECORD_BYTES = 4 * 1024 * 1024
#: So many mistakes of one operation are told in its dead letter.
_TOLD_MISTAKES = 3

Struct: Any = struct_of(Operation)
_record_of = msgspec.json.Decoder(Struct | list[Struct]).decode
_one_of = msgspec.json.Decoder(Struct).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_is_name = re.compile(NAME_PATTERN).fullmatch
#: What cuts an array into elements: strings (also one that never ends) and signs.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_OPENED_BY = {ord("]"): ord("["), ord("}"): ord("{")}


class Record(Protocol):
    """A Kafka record, as far as it matters here."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...


class Refused(NamedTuple):
    """A record, or an array's element, that does not count, and why."""

    record: Record
    index: int | None  # type: ignore[assignment]  # hides tuple.index
    reason: Reason
    detail: str
    value: bytes


class Decoded(NamedTuple):
    """The operations of some records, in order, and the refused."""

    operations: list[Any]
    """Structs made from schemas.operations.Operation."""
    places: list[tuple[int, int | None]] | None
    """Of each, the record's place and the index in its array; None: every record holds one."""
    refused: list[Refused]


def decode(records: Sequence[Record]) -> Decoded:
    """Return the operations of the records; what cannot be read is refused, its neighbours not."""
    fast = _decode_fast([record.value for record in records])
    if fast is not None:
        return fast
    operations: list[Any] = []
    places: list[tuple[int, int | None]] = []
    refused: list[Refused] = []
    for place, record in enumerate(records):
        for index, one in _judge_record(record):
            if isinstance(one, Refused):
                refused.append(one)
            else:
                operations.append(one)
                places.append((place, index))
    return Decoded(operations, places, refused)


def _decode_fast(values: Sequence[bytes | None]) -> Decoded | None:
    """Return the operations where every record is in order, else None."""
    if None in values or max(map(len, values), default=0) > MAX_RECORD_BYTES:  # type: ignore[arg-type]
        return None
    try:
        read = [_record_of(value) for value in values]  # type: ignore[arg-type]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    places: list[tuple[int, int | None]] | None = None
    if list in set(map(type, read)):
        if [] in read:
            return None
        places = []
        for place, one in enumerate(read):
            places += (
                [(place, i) for i in range(len(one))] if type(one) is list else [(place, None)]
            )
        read = [op for one in read for op in (one if type(one) is list else (one,))]
    names = {op.operation for op in read} | {op.platform for op in read}
    return Decoded(read, places, []) if all(map(_is_name, names)) else None


def _judge_record(record: Record) -> Iterator[tuple[int | None, Any]]:
    """Yield an index and the operation, or the refusal, for each that the record holds."""
    value = record.value
    if value is None:
        yield None, Refused(record, None, "null_value", "the record has no value", b"")
    elif len(value) > MAX_RECORD_BYTES:
        detail = f"{len(value)} bytes, more than {MAX_RECORD_BYTES}"
        yield None, Refused(record, None, "too_large", detail, value)
    elif value.lstrip()[:1] == b"[":
        yield from _judge_array(record, value)
    else:
        yield None, _judge(record, None, value)


def _judge_array(record: Record, value: bytes) -> Iterator[tuple[int | None, Any]]:
    try:
        elements = _elements(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        yield None, Refused(record, None, "invalid_json", str(error), value)
        return
    if not elements:
        yield None, Refused(record, None, "empty_array", "an array without operations", value)
    for index, element in enumerate(elements):
        yield index, _judge(record, index, element)


def _elements(value: bytes) -> list[bytes]:
    """Return the elements of an array, as they stand in it.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError, RecursionError: it is no array.
    """
    try:
        return [bytes(element) for element in _elements_of(value)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        elements = _split(value)
        if elements is None:
            raise
        return elements


def _split(value: bytes) -> list[bytes] | None:
    """Return what stands between the commas of an array with elements that are not JSON.

    One NaN or one deep nesting must not cost its neighbours. None where it is no array: its
    brackets do not match, or an element is empty.
    """
    open_signs = bytearray()
    bounds: list[int] = []
    for token in _TOKEN.finditer(value):
        sign, place = value[token.start()], token.start()
        if sign in b"[{":
            if not open_signs:
                bounds.append(place)
            open_signs.append(sign)
        elif sign in b"]}":
            if not open_signs or open_signs.pop() != _OPENED_BY[sign]:
                return None
            if not open_signs:
                bounds.append(place)
                break
        elif sign == ord(",") and len(open_signs) == 1:
            bounds.append(place)
    if open_signs or not bounds or value[bounds[-1] + 1 :].strip():
        return None
    elements = [value[a + 1 : b].strip() for a, b in pairwise(bounds)]
    return elements if all(elements) else None


def _judge(record: Record, index: int | None, value: bytes) -> Any:
    """Return the operation, or the refusal; where the struct refuses, the model decides."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        operation = _one_of(value)
        if _is_name(operation.operation) and _is_name(operation.platform):
            return operation
    try:
        model = Operation.model_validate_json(value)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        reason: Reason = (
            "invalid_json" if mistakes[0]["type"] == "json_invalid" else "invalid_operation"
        )
        told = [
            f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"
            if mistake["loc"]
            else mistake["msg"]
            for mistake in mistakes[:_TOLD_MISTAKES]
        ]
        return Refused(record, index, reason, "; ".join(told), value)
    return Struct(**{name: getattr(model, name) for name in Struct.__struct_fields__})


def element_of(record: Record, index: int | None) -> bytes:
    """Return the original bytes of a record that was read, or of its element."""
    value = record.value or b""
    return value if index is None else _elements(value)[index]
