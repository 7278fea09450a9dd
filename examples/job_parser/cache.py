"""Keep pages for a while, never more than so many."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Hit(NamedTuple, Generic[Value]):
    """What the cache had, and for how many more seconds it has it."""

    value: Value
    ttl_s: float


class TtlCache(Generic[Value]):
    """The latest used stay; what has outlived its time is no longer there."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold `limit` entries at most; `clock` counts seconds."""
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Hit[Value] | None:
        """Return the entry if it is there and has not expired."""
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
        """Keep the entry for so long; return how many living ones had to go for it."""
        self._entries[key] = self._clock() + ttl_s, value
        self._entries.move_to_end(key)
        evicted = 0
        while len(self._entries) > self._limit:
            _, (expires_s, _) = self._entries.popitem(last=False)
            evicted += expires_s > self._clock()
        return evicted
