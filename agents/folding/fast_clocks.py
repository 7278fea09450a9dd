"""Name who sends operations ahead of the clock: they count, but move nobody's time."""

import time
from collections import Counter
from typing import Any

import numpy as np

from agents.runtime import metrics
from schemas.spans import MINUTE_MS
from schemas.topics import OPERATIONS
from streams.measure.operation_reader import Events

#: A sender is named for this long after its last operation that was ahead.
_NAMED_S = 300.0
#: This many are named one by one, in the metric and in the remarks; the others are `other`.
_NAMED = 20
_REMARKS = 3
_OTHER = "other", "other"


class Ahead:
    """Whose operations were ahead of the clock, by how much, and on which partition, of late."""

    def __init__(self, allowed_ms: int, topic: str = OPERATIONS.name) -> None:
        """Let operations of a topic be this much ahead."""
        self._allowed_ms = allowed_ms
        self._topic = topic
        self._seen: dict[tuple[str, str], tuple[float, int, int]] = {}

    def look(self, partition: int, events: Events, begin: int, end: int, now_ms: int) -> None:
        """Note those of some events that are too far ahead of the clock."""
        ahead_ms = events.when_ms[begin:end] - now_ms
        if not len(ahead_ms) or int(ahead_ms.max()) <= self._allowed_ms:
            return
        most: dict[tuple[str, str], int] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for place in np.flatnonzero(ahead_ms > self._allowed_ms).tolist():
            operation: Any = events.operations[begin + place]
            sender = operation.operation, operation.platform
            counts[sender] += 1
            most[sender] = max(most.get(sender, 0), int(ahead_ms[place]))
        for sender, count in counts.items():
            is_named = sender in self._seen or len(self._seen) < _NAMED
            named = sender if is_named else _OTHER
            metrics.operations_ahead.labels(*named).inc(count)
            if is_named:
                self._seen[sender] = time.monotonic(), most[sender], partition

    def remarks(self) -> list[str]:
        """Return sentences about those who were ahead of late, the furthest first."""
        now_s = time.monotonic()
        recent = [
            (ahead_ms, sender, partition)
            for sender, (seen_s, ahead_ms, partition) in self._seen.items()
            if now_s - seen_s < _NAMED_S
        ]
        sentences = [
            f"operation {operation} of platform {platform} ({self._topic}, partition {partition})"
            f" is sent {ahead_ms / MINUTE_MS:.1f} min ahead of the clock here: its windows are not"
            " final before their time; set the clock of whoever sends it"
            for ahead_ms, (operation, platform), partition in sorted(recent, reverse=True)
        ]
        if len(sentences) > _REMARKS:
            more = f"{len(sentences) - _REMARKS} more are sent ahead of the clock"
            return [*sentences[:_REMARKS], f"{more}: opwatch_operations_ahead_total names them"]
        return sentences
