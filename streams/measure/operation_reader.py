"""Read operations out of records. What is invalid, too old or from the future is refused."""

import contextlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.dead_letters import Reason
from schemas.fast_structs import struct_of
from schemas.operations import NAME_PATTERN, Operation, epoch_ms
from streams.long_work import Steps, finish
from streams.measure.arrays import NotArray, TooMany, elements_of, is_deeper
from streams.measure.columns import Ints
from streams.measure.window_times import TimeLimits
from streams.record_limits import (
    MAX_ELEMENTS,
    MAX_NESTING,
    MAX_RECORD_BYTES,
    KafkaRecord,
    RefusedRecord,
)
from streams.validation import Judge, NotFit

_DEEP_BYTES = 2 * MAX_NESTING
#: Operations, or bytes, judged one by one between two steps.
_JUDGED_TOGETHER = 100
_JUDGED_BYTES = 64 * 1024
#: Operations refused for their age between two steps.
_REFUSED_TOGETHER = 1_000

Struct: Any = struct_of(Operation)
_record_of = msgspec.json.Decoder(Struct | list[Struct]).decode
_one_of = msgspec.json.Decoder(Struct).decode
_raw_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_model = Judge(Operation, Operation.model_fields, MAX_RECORD_BYTES, scalars=True)
_is_name = re.compile(NAME_PATTERN).fullmatch
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Events(NamedTuple):
    """Operations in the log's order, with offsets and timestamps."""

    offset: Ints
    stamp_ms: Ints
    """The record's timestamp of each operation."""
    when_ms: Ints
    operations: list[Any]


class _Alone(NamedTuple):
    """A value that is in no log."""

    value: bytes
    offset: int = 0
    timestamp: int = 0


class Decoded(NamedTuple):
    """The operations of some records, in order, and the refused."""

    operations: list[Any]
    """Structs made from schemas.operations.Operation."""
    places: list[tuple[int, int | None]] | None
    """Of each, the record's place and the index in its array; None: every record holds one."""
    refused: list[RefusedRecord]


def read_events(
    records: Sequence[KafkaRecord], limits: TimeLimits
) -> tuple[Events, list[RefusedRecord]]:
    """Return the operations that count, and what is refused with the reason."""
    return finish(reading_events(records, limits))


def reading_events(
    records: Sequence[KafkaRecord], limits: TimeLimits
) -> Steps[tuple[Events, list[RefusedRecord]]]:
    """Do the work of read_events in steps."""
    operations, places, refused = yield from decoding(records)
    offset = np.fromiter([record.offset for record in records], np.int64)
    stamp = np.fromiter([record.timestamp for record in records], np.int64)
    if places is not None:
        owner = np.array([place for place, _ in places], np.intp)
        offset, stamp = offset[owner], stamp[owner]
    when = _epoch_ms([operation.occurred_at for operation in operations])
    age = stamp - when
    if not len(age) or (age.max() <= limits.lateness_ms and age.min() >= -limits.future_ms):
        return Events(offset, stamp, when, operations), refused
    bad = (age > limits.lateness_ms) | (age < -limits.future_ms)
    cut, originals = -1, [b""]
    for count, i in enumerate(np.flatnonzero(bad).tolist()):
        place, index = (i, None) if places is None else places[i]
        if place != cut:
            cut, originals = place, original_of(records[place])
            yield
        elif count % _REFUSED_TOGETHER == 0:
            yield
        refused.append(_refused_for_age(records[place], index, int(age[i]), originals[index or 0]))
    good = np.flatnonzero(~bad)
    events = Events(offset[good], stamp[good], when[good], [operations[i] for i in good.tolist()])
    return events, refused


def decode(records: Sequence[KafkaRecord]) -> Decoded:
    """Return the operations of the records; what cannot be read is refused, its neighbours not."""
    return finish(decoding(records))


def decoding(records: Sequence[KafkaRecord]) -> Steps[Decoded]:
    """Do the work of decode in steps; one step takes some megabytes of valid records."""
    fast = _decode_fast([record.value for record in records])
    if fast is not None:
        return fast
    operations: list[Any] = []
    places: list[tuple[int, int | None]] = []
    refused: list[RefusedRecord] = []
    judged = size = 0
    for place, record in enumerate(records):
        parts = yield from _parts(record)
        if isinstance(parts, RefusedRecord):
            refused.append(parts)
            continue
        for index, value in parts:
            is_long = len(value) > _DEEP_BYTES
            if is_long and (yield from is_deeper(value, MAX_NESTING)):
                detail = f"objects or arrays nest more than {MAX_NESTING} deep"
                found: Any = RefusedRecord(record, index, "invalid_json", detail, value)
            else:
                found = _judge(record, index, value)
            if type(found) is RefusedRecord:
                refused.append(found)
            else:
                operations.append(found)
                places.append((place, index))
            judged, size = judged + 1, size + len(value)
            if judged >= _JUDGED_TOGETHER or size >= _JUDGED_BYTES:
                judged = size = 0
                yield
    return Decoded(operations, places, refused)


def _decode_fast(values: Sequence[bytes | None]) -> Decoded | None:
    """Return the operations where every record is in order, else None."""
    longest = 0 if None in values else max(map(len, values), default=0)  # type: ignore[arg-type]
    if None in values or longest > MAX_RECORD_BYTES:
        return None
    try:
        read = [_record_of(value) for value in values]  # type: ignore[arg-type]
    except _UNREADABLE:
        return None
    if longest > _DEEP_BYTES and any(map(_is_deep, values, read)):  # type: ignore[arg-type]
        return None
    places: list[tuple[int, int | None]] | None = None
    if list in set(map(type, read)):
        if [] in read or any(type(value) is list and len(value) > MAX_ELEMENTS for value in read):
            return None
        places = []
        for place, value in enumerate(read):
            places += (
                [(place, i) for i in range(len(value))] if type(value) is list else [(place, None)]
            )
        read = [op for value in read for op in (value if type(value) is list else (value,))]
    names = {op.operation for op in read} | {op.platform for op in read}
    return Decoded(read, places, []) if all(map(_is_name, names)) else None


def _is_deep(value: bytes, read: Any) -> bool:
    """Return whether what was read nests too deep; msgspec's own limit moves with the stack."""
    if len(value) <= _DEEP_BYTES:
        return False
    flat = len(read) + 1 if type(read) is list else 1
    if value.count(b"{") + value.count(b"[") - flat < MAX_NESTING:
        return False
    return finish(is_deeper(value, MAX_NESTING))


def _parts(record: KafkaRecord) -> Steps[list[tuple[int | None, bytes]] | RefusedRecord]:
    """Return the operations that a record holds, each with its index, or the refusal."""
    value = record.value
    if value is None:
        return RefusedRecord(record, None, "null_value", "the record has no value", b"")
    if len(value) > MAX_RECORD_BYTES:
        detail = f"{len(value)} bytes, more than {MAX_RECORD_BYTES}"
        return RefusedRecord(record, None, "too_large", detail, value)
    if value.lstrip()[:1] != b"[":
        return [(None, value)]
    try:
        elements = yield from _elements(value)
    except TooMany:
        detail = f"an array of more than {MAX_ELEMENTS} operations"
        return RefusedRecord(record, None, "too_large", detail, value)
    except NotArray:
        detail = "an array whose brackets do not match, or of which an element is missing"
        return RefusedRecord(record, None, "invalid_json", detail, value)
    if not elements:
        return RefusedRecord(record, None, "empty_array", "an array without operations", value)
    return list(enumerate(elements))


def _elements(value: bytes) -> Steps[list[bytes]]:
    """Return the elements of an array, as they stand in it.

    Raises:
        NotArray: it is none.
        TooMany: it has too many of them.
    """
    if value.count(b",") < MAX_ELEMENTS:
        with contextlib.suppress(*_UNREADABLE):
            return [bytes(element) for element in _raw_of(value)]
    return (yield from elements_of(value, MAX_ELEMENTS))


def _judge(record: KafkaRecord, index: int | None, value: bytes) -> Any:
    """Return the operation, or the refusal; where the struct refuses, the model decides."""
    with contextlib.suppress(*_UNREADABLE):
        operation = _one_of(value)
        if _is_name(operation.operation) and _is_name(operation.platform):
            return operation
    try:
        model = _model.read(value)
    except NotFit as unfit:
        reason: Reason = "invalid_json" if unfit.kind == "json" else "invalid_operation"
        return RefusedRecord(record, index, reason, str(unfit), value)
    return Struct(**{name: getattr(model, name) for name in Struct.__struct_fields__})


def times_of(value: bytes) -> list[int] | RefusedRecord:
    """Return when each operation of a value ended, epoch ms; the first refusal if there is one."""
    operations, _, refused = decode([_Alone(value=value)])
    return refused[0] if refused else _epoch_ms([it.occurred_at for it in operations]).tolist()


def original_of(record: KafkaRecord) -> list[bytes]:
    """Return the original bytes of the operations of a record that was read."""
    parts = finish(_parts(record))
    assert not isinstance(parts, RefusedRecord)
    return [value for _, value in parts]


def _epoch_ms(times: list[Any]) -> Ints:
    if datetime in set(map(type, times)):
        times = [epoch_ms(time) if type(time) is datetime else time for time in times]
    return np.fromiter(times, np.int64)


def _refused_for_age(
    record: KafkaRecord, index: int | None, age_ms: int, value: bytes
) -> RefusedRecord:
    if age_ms > 0:
        detail = f"happened {age_ms} ms before its record's timestamp"
        return RefusedRecord(record, index, "too_old", detail, value)
    detail = f"happens {-age_ms} ms after its record's timestamp"
    return RefusedRecord(record, index, "from_future", detail, value)
