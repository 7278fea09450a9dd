"""Validate a record by its model in time linear in its bytes; errors are short sentences."""

import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from schemas.operations import FIRST_MS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)

#: A larger record is first cut down to the fields that its model knows: pydantic would make an
#: object of each of a million others.
WHOLE_BYTES = 64 * 1024
#: Mistakes of a record that its dead letter names, …
_NAMED_MISTAKES = 3
#: … in at most this many characters: some of pydantic's sentences repeat the input.
DETAIL_LENGTH = 400

#: Characters of a value that a sentence repeats.
_SENT_LENGTH = 40
_LONG_BITS = 128
_is_number = re.compile(r"\s*[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?\s*").fullmatch

Unfit = Literal["json", "model", "size"]


class NotFit(ValueError):
    """The record is none of the model's; the text says why."""

    def __init__(self, kind: Unfit, detail: str) -> None:
        """Say whether it is no JSON, not what the model asks for, or too large."""
        self.kind = kind
        super().__init__(cut(detail))


class Judge(Generic[M]):
    """Reads records of one model."""

    def __init__(
        self, model: type[M], fields: Collection[str], limit: int, *, scalars: bool = False
    ) -> None:
        """Judge by a model.

        Args:
            model: the authority.
            fields: the names it knows.
            limit: bytes that those may take.
            scalars: whether none of them takes an object or an array.
        """
        self._model = model
        self._limit = limit
        self._scalars = scalars
        self._names = tuple(fields)
        missing = msgspec.Raw()
        fields_only = msgspec.defstruct(
            model.__name__, [(name, msgspec.Raw, missing) for name in self._names]
        )
        self._fields_of = msgspec.json.Decoder(fields_only).decode

    def read(self, value: bytes) -> M:
        """Return what a record says.

        Raises:
            NotFit: it is none of the model's.
        """
        if len(value) > WHOLE_BYTES:
            value = self._without_unknown(value)
        if len(value) > self._limit:
            detail = f"its fields take {len(value)} bytes, more than {self._limit}"
            raise NotFit("size", detail)
        try:
            return self._model.model_validate_json(value)
        except ValidationError as error:
            raise not_fit(error) from None

    def _without_unknown(self, value: bytes) -> bytes:
        """Return a record without the fields that its model does not know."""
        try:
            found = self._fields_of(value)
        except msgspec.ValidationError as error:
            raise NotFit("model", str(error)) from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NotFit("json", str(error)) from None
        fields = []
        for name in self._names:
            field = bytes(getattr(found, name))
            if self._scalars and field[:1] in (b"{", b"["):
                field = b"{}"
            if field:
                fields.append(b'"' + name.encode() + b'":' + field)
        return b"{" + b",".join(fields) + b"}"


def not_fit(error: ValidationError) -> NotFit:
    """Return pydantic's error as a short sentence that speaks of what was sent."""
    mistakes = error.errors(include_url=False, include_context=False)
    is_json = mistakes[0]["type"] != "json_invalid"
    return NotFit(
        "model" if is_json else "json", "; ".join(map(_sentence, mistakes[:_NAMED_MISTAKES]))
    )


def _sentence(mistake: "ErrorDetails") -> str:
    kind, sent = mistake["type"], mistake["input"]
    what = mistake["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "missing":
        what = "is missing"
    elif kind == "string_pattern_mismatch":
        what = f"should be neither * nor have control characters, {_sent(sent)}"
    elif kind != "json_invalid" and not isinstance(sent, dict | list):
        what = _in_quotes(kind, sent) or f"{what}, {_sent(sent)}"
    where = ".".join(map(str, mistake["loc"]))
    return f"{where}: {what}" if where else what


def _sent(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _LONG_BITS:
        return "not a number with this many digits"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return f"not {text if len(text) <= _SENT_LENGTH else text[: _SENT_LENGTH - 1] + '…'}"


def _in_quotes(kind: str, sent: object) -> str | None:
    """Return what a text looks like that should be none."""
    if not isinstance(sent, str) or kind.startswith(("string", "literal", "enum")):
        return None
    if kind.startswith("bool"):
        looks = "a truth value in quotes" if sent.strip().lower() in ("true", "false") else None
    elif not _is_number(sent):
        looks = None
    elif kind != "value_error":
        looks = "a number in quotes"
    else:  # a time
        looks = f"{'seconds' if float(sent) < FIRST_MS else 'milliseconds'} in quotes"
    return looks and f"{json.dumps(sent)} looks like {looks}"


def cut(text: str) -> str:
    """Return a sentence, cut where it goes on for too long."""
    return text if len(text) <= DETAIL_LENGTH else text[: DETAIL_LENGTH - 1] + "…"
