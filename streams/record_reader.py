"""Read the records of one model; what does not fit is refused with the reason."""

from collections.abc import Callable
from typing import Generic, TypeVar

from pydantic import BaseModel

from schemas.dead_letters import Reason
from streams.long_work import finish
from streams.measure.arrays import is_deeper
from streams.record_limits import MAX_NESTING, MAX_RECORD_BYTES, KeyedRecord, RefusedRecord
from streams.validation import Judge, NotFit

M = TypeVar("M", bound=BaseModel)


class RecordReader(Generic[M]):
    """Reads records, each of which holds one object of a model."""

    def __init__(
        self,
        model: type[M],
        unfit: Reason,
        limit: int,
        *,
        scalars: bool = False,
        fast: Callable[[bytes], M | None] = lambda _: None,
    ) -> None:
        """Read by a model.

        Args:
            model: the authority.
            unfit: the reason if a record is JSON, but none of the model's.
            limit: bytes that its known fields may take.
            scalars: whether none of them takes an object or an array.
            fast: reads what the model accepts, faster; None where the model is to decide.
        """
        self._fast = fast
        self._judge = Judge(model, model.model_fields, limit, scalars=scalars)
        self._reasons: dict[str, Reason] = {
            "json": "invalid_json",
            "model": unfit,
            "size": "too_large",
        }

    def read(self, record: KeyedRecord) -> M | RefusedRecord:
        """Return what a record says, or the refusal."""
        value = record.value
        if value is None:
            return refuse(record, "null_value", "the record has no value")
        if len(value) > MAX_RECORD_BYTES:
            return refuse(record, "too_large", f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
        if _is_too_deep(value):
            detail = f"objects or arrays nest more than {MAX_NESTING} deep"
            return refuse(record, "invalid_json", detail)
        if (found := self._fast(value)) is not None:
            return found
        try:
            return self._judge.read(value)
        except NotFit as unfit:
            return refuse(record, self._reasons[unfit.kind], str(unfit))


def refuse(record: KeyedRecord, reason: Reason, detail: str) -> RefusedRecord:
    """Return the refusal of a whole record."""
    return RefusedRecord(record, None, reason, detail, record.value or b"")


def refuse_key(record: KeyedRecord, right: str) -> RefusedRecord:
    """Return the refusal of a record's key; `right` says what it should be."""
    key = "none" if record.key is None else repr(record.key[:128])
    return refuse(record, "wrong_key", f"the key is {key}, not {right}")


def _is_too_deep(value: bytes) -> bool:
    if value.count(b"{") + value.count(b"[") <= MAX_NESTING:
        return False
    return finish(is_deeper(value, MAX_NESTING))
