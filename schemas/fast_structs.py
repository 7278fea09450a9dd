"""Make, from a pydantic model, a msgspec struct that reads the same JSON several times faster.

The pydantic model stays the authority: what the struct refuses is judged again by the model.
tests/properties/test_fast_structs.py holds the two together.
"""

import types
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import msgspec
from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from schemas.operations import FIRST_MS, MAX_EPOCH_MS, to_epoch_ms

_META_OF = {
    annotated_types.Ge: "ge",
    annotated_types.Le: "le",
    annotated_types.MinLen: "min_length",
    annotated_types.MaxLen: "max_length",
}


@cache
def struct_of(model: type[BaseModel], raw: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """Return a struct with the model's fields, defaults and bounds.

    A `kind` field becomes the struct's tag, so that structs can stand in a union. A time may
    come as a datetime. Patterns are left out, they would double the cost: the caller checks the
    few distinct names there are.

    Args:
        model: of plain fields, literals, unions with None, lists, tuples, dicts, JSON values and
            models of the same. What is made for each is empty.
        raw: names of fields that stay JSON, unread.
    """
    fields: list[Any] = []
    tag: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name == "kind":
            tag = {"tag_field": "kind", "tag": info.default}
            continue
        if name in raw:
            fields.append((name, msgspec.Raw, msgspec.Raw(b"null")))
            continue
        kind = _bounded(_translate(info.annotation), info.metadata)
        if any(getattr(item, "func", None) is to_epoch_ms for item in info.metadata):
            # Seconds, and what else the model makes milliseconds of, are left to it.
            kind = Annotated[int, msgspec.Meta(ge=FIRST_MS, le=MAX_EPOCH_MS)] | datetime
        if info.default_factory is not None:
            made = info.get_default(call_default_factory=True)
            fields.append((name, kind, msgspec.field(default_factory=type(made))))
        elif info.default is PydanticUndefined:
            fields.append((name, kind))
        else:
            fields.append((name, kind, info.default))
    fields.sort(key=len)  # msgspec wants the required ones first
    return msgspec.defstruct(model.__name__, fields, gc=False, **tag)


def _bounded(kind: Any, metadata: Any) -> Any:
    bounds: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            bounds |= _bounds(item.metadata)
        else:
            bounds |= _bounds([item])
    if not bounds:
        return kind
    if get_origin(kind) in (Union, types.UnionType):
        members = (it if it is type(None) else _bounded(it, metadata) for it in get_args(kind))
        return Union[tuple(members)]  # noqa: UP007 - built at run time
    return Annotated[kind, msgspec.Meta(**bounds)]


def _bounds(metadata: Any) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for item in metadata:
        if type(item) in _META_OF:
            name = _META_OF[type(item)]
            bounds[name] = getattr(item, name)
    return bounds


def _translate(kind: Any) -> Any:
    if kind is JsonValue:
        return Any
    origin = get_origin(kind)
    if origin is Annotated:
        return _bounded(_translate(kind.__origin__), kind.__metadata__)
    if origin in (Union, types.UnionType):
        return Union[tuple(_translate(arg) for arg in get_args(kind))]  # noqa: UP007 - built at run time
    if origin is list:
        return list[_translate(get_args(kind)[0])]  # type: ignore[misc]
    if origin is dict:
        keys, values = get_args(kind)
        return dict[_translate(keys), _translate(values)]  # type: ignore[misc]
    if origin is Literal:
        return kind
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return struct_of(kind)
    return kind
