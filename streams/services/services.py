"""Keep one partition's services: fold heartbeats in, judge silence, say what to publish and write.

A shell drives it in beats: `apply` as records come, then `look` with how far the log was read,
`collect` what to publish, and once the broker has it `take_changes` for the table.

Only who listens can call a service silent: somebody who has read the log to its end, three
intervals long. What a service says in the log counts whenever it is read.
"""

from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from schemas.dead_letters import Reason
from schemas.series import WindowSize
from streams.measure.sizes import DAY_MS, HOUR_MS, MINUTE_MS, SIZE_MS, SIZES, window_start
from streams.services.heartbeats import Beat, patience_ms
from streams.services.service_aggregates import Moment, Publication, farewell, publication
from streams.services.service_rows import (
    DOWN,
    MOST_BEATS,
    UNKNOWN,
    Row,
    Span,
    pack_service,
    public,
    unpack_service,
)

__all__ = ["Publication", "Services", "Times"]

#: How often a window that is not final is published, but for changes, which are at once.
INTERVAL_MS: dict[WindowSize, int] = {
    "1m": 5_000,
    "5m": 15_000,
    "1h": MINUTE_MS,
    "6h": MINUTE_MS,
    "24h": MINUTE_MS,
    "7d": MINUTE_MS,
}
#: Who has not looked at the log for longer begins to listen anew.
DEAF_MS = 5_000
#: Clients need so long to be back after Kafka was away, whatever their interval.
RETURN_MS = 10_000
#: A service that is silent for so long is no more.
FORGOTTEN_MS = 7 * DAY_MS


class Times(NamedTuple):
    """How late beats may be, and how long a window waits for them before it is final."""

    lateness_ms: int
    future_ms: int
    grace_ms: int


class Services:
    """The services of one partition of `heartbeats`."""

    def __init__(
        self, packed: MutableMapping[bytes, bytes], times: Times, services_limit: int
    ) -> None:
        """Begin with what the table holds.

        Args:
            packed: the partition's rows in the table; kept in step by take_changes.
            times: lateness, future and grace.
            services_limit: services kept here.
        """
        self._packed = packed
        self._times = times
        self._limit = services_limit
        self._rows = {key: unpack_service(row) for key, row in packed.items()}
        self._heard_ms: dict[bytes, int] = {}
        self._due: dict[bytes, list[int]] = {}
        self._changed: set[bytes] = set()
        self._urgent: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._leaving: list[Row] = []
        self._read_ms = 0
        self._seen_ms = 0
        self._listening_since_ms: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def down(self) -> int:
        """How many are down, as far as that was published."""
        return sum(public(row.told) == DOWN for row in self._rows.values())

    # ------------------------------------------------------------------ taking in

    def apply(self, service: str, beat: Beat, offset: int, now_ms: int) -> Reason | None:
        """Fold a beat in; return why not, if it cannot be."""
        key = service.encode()
        row = self._rows.get(key)
        came_ms = min(beat.sent_ms + beat.lag_ms, now_ms)
        self._read_ms = max(self._read_ms, came_ms)
        if row is None:
            if len(self._rows) >= self._limit:
                return "too_many_services"
            settled_ms = came_ms - self._times.lateness_ms - self._times.future_ms
            row = self._rows[key] = Row.begin(service, settled_ms)
            self._gone.discard(key)
        if offset < row.next_offset:
            return None  # known since before a restart
        if beat.at_ms < row.settled_ms:
            return "window_expired"
        if len(row.beats) >= 2 * MOST_BEATS:
            return "too_often"
        row.next_offset = offset + 1
        self._changed.add(key)
        self._heard_ms[key] = now_ms
        if row.fold(beat):
            _revise(row, beat.at_ms)
            if len(row.beats) > MOST_BEATS:
                self._settle(row, row.beats[-MOST_BEATS].at_ms)
        return None

    def look(self, seen_ms: int | None, now_ms: int) -> None:
        """Judge who is silent.

        Args:
            seen_ms: the time at which the log's end was where it was read to; None: it is read
                further still.
            now_ms: the clock.
        """
        if seen_ms is None:
            self._listening_since_ms = None
            self._seen_ms = max(self._seen_ms, self._read_ms)
            return
        seen_ms = min(max(seen_ms, self._read_ms), now_ms)
        if self._listening_since_ms is None or seen_ms - self._seen_ms > DEAF_MS:
            self._listening_since_ms = seen_ms
        self._seen_ms = max(self._seen_ms, seen_ms)
        for key, row in list(self._rows.items()):
            self._judge(key, row, self._listening_since_ms)
            self._forget(key, row)

    def _judge(self, key: bytes, row: Row, listening_ms: int) -> None:
        newest, seen_ms = row.newest, self._seen_ms
        if newest is None:
            return
        # Less a moment: who was silent before is so from the first look on, not unknown in between.
        start_ms = max(newest.until_ms, listening_ms - 1)
        if row.silent_since_ms is None:
            wait_ms = patience_ms(newest.every_ms)
            due_ms = max(
                newest.until_ms,
                listening_ms + max(wait_ms, RETURN_MS),
                self._heard_ms.get(key, 0) + wait_ms,
            )
            if seen_ms < due_ms:
                return
            row.silent_since_ms = start_ms
            _revise(row, start_ms)
        if seen_ms > start_ms:
            row.silence(start_ms, seen_ms)
            self._changed.add(key)

    def _forget(self, key: bytes, row: Row) -> None:
        newest = row.newest
        if newest is not None and self._seen_ms - newest.until_ms > FORGOTTEN_MS:
            self._leaving.append(self._rows.pop(key))
            self._due.pop(key, None)
            self._heard_ms.pop(key, None)
            self._changed.discard(key)
            self._gone.add(key)

    # ------------------------------------------------------------------ giving out

    def collect(self, now_ms: int) -> Iterator[Publication]:
        """Yield what is due: finals, and while the log is read to its end also what goes on."""
        live = self._listening_since_ms is not None
        leaving, self._leaving = self._leaving, []
        for row in leaving:
            yield farewell(row, self._moment(now_ms))
        final_to_ms = self._seen_ms - self._times.grace_ms
        for key, row in list(self._rows.items()):
            owes_finals = final_to_ms // MINUTE_MS > row.finals_to_ms // MINUTE_MS
            revised = row.changed_from_ms is not None and row.changed_from_ms < row.finals_to_ms
            due = self._due.setdefault(key, [0] * len(SIZES))
            if not (owes_finals or revised or (live and self._is_due(key, due, now_ms))):
                continue
            spans = row.spans(self._seen_ms)
            if self._seen_ms <= row.first_ms or not spans:
                continue  # it has not begun
            if owes_finals or revised:
                yield from self._finals(key, row, spans, final_to_ms, now_ms)
            if live:
                yield from self._going_on(key, row, spans, due, now_ms)
            settle_ms = self._seen_ms - self._times.lateness_ms - self._times.future_ms
            if settle_ms - row.settled_ms >= MINUTE_MS:
                self._settle(row, settle_ms)

    def _is_due(self, key: bytes, due: list[int], now_ms: int) -> bool:
        return key in self._changed or min(due) <= now_ms

    def _finals(
        self, key: bytes, row: Row, spans: list[Span], final_to_ms: int, now_ms: int
    ) -> Iterator[Publication]:
        changed_ms = row.changed_from_ms
        from_ms = row.finals_to_ms if changed_ms is None else min(changed_ms, row.finals_to_ms)
        for size in SIZES:
            for start_ms in self._known_windows(row, size, spans, from_ms, final_to_ms):
                end_ms = start_ms + SIZE_MS[size]
                is_new = end_ms > row.finals_to_ms
                if end_ms > from_ms and (is_new or (changed_ms is not None)):
                    one = publication(row, size, start_ms, spans, self._moment(now_ms))
                    if one is not None:
                        yield one
        row.finals_to_ms = max(row.finals_to_ms, final_to_ms)
        row.changed_from_ms = None
        self._changed.add(key)
        self._urgent.add(key)

    def _known_windows(
        self, row: Row, size: WindowSize, spans: list[Span], from_ms: int, to_ms: int
    ) -> Iterator[int]:
        """Yield the starts of windows of which anything is known, or that are not long over.

        Nothing is published of the others: a month in which nobody listened is no month of work.
        """
        span_ms, first_ms = SIZE_MS[size], max(from_ms, row.first_ms)
        lately_ms = self._seen_ms - HOUR_MS - span_ms
        next_ms = window_start(size, first_ms)
        base_ms, _ = row.bases[SIZES.index(size)]
        stretches = [(base_ms, base_ms + 1)]  # what was summed up stands in the window it is of
        for start_ms, end_ms, health in spans:
            since_ms = max(start_ms, lately_ms) if health == UNKNOWN else start_ms
            stretches.append((since_ms, end_ms))
        for start_ms, end_ms in stretches:
            next_ms = max(next_ms, window_start(size, start_ms)) if end_ms > start_ms else next_ms
            while next_ms < end_ms and next_ms + span_ms <= to_ms:
                yield next_ms
                next_ms += span_ms

    def _going_on(
        self, key: bytes, row: Row, spans: list[Span], due: list[int], now_ms: int
    ) -> Iterator[Publication]:
        changed = spans[-1].health != row.told
        for place, size in enumerate(SIZES):
            if changed or due[place] <= now_ms:
                due[place] = now_ms + INTERVAL_MS[size]
                start_ms = window_start(size, spans[-1].end_ms - 1)
                one = publication(row, size, start_ms, spans, self._moment(now_ms))
                if one is not None:
                    yield one
        if changed:
            row.told = spans[-1].health
            self._changed.add(key)
            self._urgent.add(key)

    def _moment(self, now_ms: int) -> Moment:
        return Moment(self._seen_ms, now_ms, self._times.grace_ms)

    def _settle(self, row: Row, to_ms: int) -> None:
        """Sum up what is before a time and was published as final."""
        row.settle(min(to_ms, row.finals_to_ms))

    def take_changes(self, *, everything: bool) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete.

        Args:
            everything: also rows that only tell of beats that say nothing new, or of time.
        """
        keys = self._changed if everything else self._urgent & self._changed
        changes: list[tuple[bytes, bytes | None]] = []
        for key in sorted(keys):
            packed = self._packed[key] = pack_service(self._rows[key])
            changes.append((key, packed))
        gone = [key for key in sorted(self._gone) if self._packed.pop(key, None) is not None]
        changes += [(key, None) for key in gone]
        self._changed = self._changed - keys
        self._urgent.clear()
        self._gone.clear()
        return changes


def _revise(row: Row, from_ms: int) -> None:
    known = row.changed_from_ms
    row.changed_from_ms = from_ms if known is None else min(known, from_ms)
