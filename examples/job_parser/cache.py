"""A cache with a time to live and a maximum number of entries."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Hit(NamedTuple, Generic[Value]):
    """A cached value, and for how many more seconds it is valid."""

    value: Value
    ttl_s: float


class TtlCache(Generic[Value]):
    """Evicts the least recently used entries; expired entries are not returned."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Cache `limit` entries at most; `clock` counts seconds."""
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Hit[Value] | None:
        """Return the entry, unless it is missing or expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires_s, value = entry
        left_s = expires_s - self._clock()
        if left_s <= 0:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return Hit(value, left_s)

    def put(self, key: str, value: Value, ttl_s: float) -> int:
        """Cache the entry for `ttl_s`; return how many valid entries were evicted for it."""
        self._entries[key] = self._clock() + ttl_s, value
        self._entries.move_to_end(key)
        evicted = 0
        while len(self._entries) > self._limit:
            _, (expires_s, _) = self._entries.popitem(last=False)
            evicted += expires_s > self._clock()
        return evicted
