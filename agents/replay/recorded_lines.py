"""Define a recorded line: its operations, or what is wrong with it; move its times."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

#: orjson reads a longer number as a float, and would not write its digits again.
_MANY_DIGITS = re.compile(rb"[0-9]{18}")


class RecordedOperations(NamedTuple):
    """The operations of a line, as the text of one record, and when the last of them ended."""

    when_ms: int
    text: bytes
    number: int
    """The line's."""
    times_ms: tuple[int, ...] = ()
    """When each element of an array ended; empty if it is one operation."""

    def moved(self, by_ms: int) -> bytes:
        """Return the text with every occurred_at this much later; all other fields stay."""
        return self.text if by_ms == 0 else dumps(self._body(by_ms))

    def records(self, by_ms: int, lateness_ms: int) -> Iterator[tuple[int, bytes]]:
        """Yield the records to publish, each with its time, so that no operation is late.

        They are one, or one an element if the elements of an array lie too far apart: the time
        of a record is that of its last operation, and the others are judged by it.
        """
        if not self.times_ms or self.when_ms - min(self.times_ms) <= lateness_ms:
            yield self.when_ms + by_ms, self.moved(by_ms)
            return
        for time_ms, element in zip(self.times_ms, self._body(by_ms), strict=True):
            yield time_ms + by_ms, dumps(element)

    def _body(self, by_ms: int) -> Any:
        body = loads(self.text)
        if by_ms == 0:
            return body
        if isinstance(body, dict):
            body["occurred_at"] = self.when_ms + by_ms
        else:
            for element, time_ms in zip(body, self.times_ms, strict=True):
                element["occurred_at"] = time_ms + by_ms
        return body


class InvalidLine(NamedTuple):
    """A line that is not published."""

    number: int
    why: str


class TimeSpan(NamedTuple):
    """When the first and the last operation of a file ended, epoch ms."""

    first_ms: int
    last_ms: int


def loads(text: bytes) -> Any:
    """Return what JSON says, every digit of it; NaN and Infinity too, as a worker reads them.

    Raises:
        ValueError: it is not JSON.
    """
    if not _MANY_DIGITS.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None


def dumps(body: Any) -> bytes:
    """Return JSON, with all digits of long numbers; null for NaN, which JSON does not have."""
    try:
        return orjson.dumps(body)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
