"""Tell which records on `aggregates` are to be shown: each with what stands in it, or None."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from agents.cli.table import name_of
from schemas.aggregates import Aggregate
from schemas.fast import struct_of
from streams.rules import records

Decode = Callable[[bytes | None], tuple[bytes, Any] | None]


def of_operations(pattern: str | None) -> Decode:
    """Return what reads operations' aggregates whose series matches the pattern."""
    decoder = msgspec.json.Decoder(struct_of(Aggregate))

    def decode(value: bytes | None) -> tuple[bytes, Any] | None:
        if value is None:  # a tombstone
            return None
        try:
            aggregate: Any = decoder.decode(value)
        except msgspec.MsgspecError:  # of a kind or version this program does not know
            return None
        if pattern and not fnmatchcase(name_of(aggregate), pattern):
            return None
        return value, aggregate

    return decode


def of_all(pattern: str | None) -> Decode:
    """Return what reads services' aggregates too: of each only what rules look at."""

    def decode(value: bytes | None) -> tuple[bytes, Any] | None:
        told = records.read_aggregate(value or b"")
        if told is None or (pattern and not fnmatchcase(records.name_of(told), pattern)):
            return None
        assert value is not None
        return value, told

    return decode
