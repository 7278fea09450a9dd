"""Keep one partition's services: apply heartbeats, find silent ones, return what to publish.

The agent calls `apply` as records come. In each beat it calls `look` with how far the log was read,
publishes what `collect` yields, and then writes `take_changes` to the table.

A service is silent only for a worker that has read the log to its end for three intervals. A
heartbeat in the log counts whenever it is read.
"""

from collections.abc import Iterator, MutableMapping

from schemas.dead_letters import Reason
from schemas.series import WindowSize
from schemas.spans import DAY_MS, HOUR_MS, MINUTE_MS
from streams.measure.window_times import SIZE_MS, SIZES, TimeLimits, window_start
from streams.services.missed_beats import Beat, patience_ms
from streams.services.service_aggregate import (
    ReadingTime,
    ServiceRevision,
    last_revision,
    revision_of_window,
)
from streams.services.service_state import (
    DOWN,
    MOST_BEATS,
    UNKNOWN,
    HealthSpan,
    ServiceState,
    pack_service,
    public,
    unpack_service,
)

#: How often a window that is not final is published, but for changes, which are at once.
INTERVAL_MS: dict[WindowSize, int] = {
    "1m": 5_000,
    "5m": 15_000,
    "1h": MINUTE_MS,
    "6h": MINUTE_MS,
    "24h": MINUTE_MS,
    "7d": MINUTE_MS,
}
#: After a longer gap at the end of the log, silence detection starts over.
_GAP_MS = 5_000
#: How long clients need to come back after Kafka was away, whatever their interval.
RETURN_MS = 10_000
#: A service that is silent for this long is forgotten.
FORGOTTEN_MS = 7 * DAY_MS


class Services:
    """The services of one target partition."""

    def __init__(
        self, packed: MutableMapping[bytes, bytes], limits: TimeLimits, services_limit: int
    ) -> None:
        """Begin with what the table holds.

        Args:
            packed: the partition's rows; take_changes updates it.
            limits: lateness, future and grace.
            services_limit: how many services fit in this partition.
        """
        self._packed = packed
        self._limits = limits
        self._most_services = services_limit
        self._services = {key: unpack_service(state) for key, state in packed.items()}
        self._arrived_ms: dict[bytes, int] = {}
        self._due: dict[bytes, list[int]] = {}
        self._changed: set[bytes] = set()
        self._urgent: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._leaving: list[ServiceState] = []
        self._read_ms = 0
        self._seen_ms = 0
        self._listening_since_ms: int | None = None

    def __len__(self) -> int:
        return len(self._services)

    @property
    def down(self) -> int:
        """How many are published as down."""
        return sum(public(state.published) == DOWN for state in self._services.values())

    # ------------------------------------------------------------------ input

    def apply(
        self, service: str, beat: Beat, source: int, offset: int, now_ms: int
    ) -> Reason | None:
        """Apply a beat; return the reason if it cannot be.

        Args:
            service: its name.
            beat: of it.
            source: its partition of `heartbeats`.
            offset: its offset there.
            now_ms: the clock.
        """
        key = service.encode()
        state = self._services.get(key)
        came_ms = min(beat.sent_ms + beat.lag_ms, now_ms)
        self._read_ms = max(self._read_ms, came_ms)
        if state is None:
            if len(self._services) >= self._most_services:
                return "too_many_services"
            settled_ms = came_ms - self._limits.lateness_ms - self._limits.future_ms
            state = self._services[key] = ServiceState.begin(service, settled_ms)
            self._gone.discard(key)
        if state.has(source, offset):
            return None  # applied before a restart
        if beat.at_ms < state.settled_ms:
            return "window_expired"
        if len(state.beats) >= 2 * MOST_BEATS:
            return "too_often"
        state.reach(source, offset)
        self._changed.add(key)
        self._arrived_ms[key] = now_ms
        if state.fold(beat):
            _revise(state, beat.at_ms)
            if len(state.beats) > MOST_BEATS:
                self._settle(state, state.beats[-MOST_BEATS].at_ms)
        return None

    def look(self, seen_ms: int | None, now_ms: int) -> None:
        """Detect silent services, and forget those that are silent for a week.

        Args:
            seen_ms: when the log's end was last seen where it is read to; None: it is not read to
                its end.
            now_ms: the clock.
        """
        if seen_ms is None:
            self._listening_since_ms = None
            self._seen_ms = max(self._seen_ms, self._read_ms)
            return
        seen_ms = min(max(seen_ms, self._read_ms), now_ms)
        if self._listening_since_ms is None or seen_ms - self._seen_ms > _GAP_MS:
            self._listening_since_ms = seen_ms
        self._seen_ms = max(self._seen_ms, seen_ms)
        for key, state in list(self._services.items()):
            self._judge(key, state, self._listening_since_ms)
            self._forget(key, state)

    def _judge(self, key: bytes, state: ServiceState, listening_ms: int) -> None:
        newest, seen_ms = state.newest, self._seen_ms
        if newest is None:
            return
        # A moment earlier: a service that was silent before is silent from the first look on.
        start_ms = max(newest.until_ms, listening_ms - 1)
        if state.silent_since_ms is None:
            wait_ms = patience_ms(newest.every_ms)
            due_ms = max(
                newest.until_ms,
                listening_ms + max(wait_ms, RETURN_MS),
                self._arrived_ms.get(key, 0) + wait_ms,
            )
            if seen_ms < due_ms:
                return
            state.silent_since_ms = start_ms
            _revise(state, start_ms)
        if seen_ms > start_ms:
            state.silence(start_ms, seen_ms)
            self._changed.add(key)

    def _forget(self, key: bytes, state: ServiceState) -> None:
        newest = state.newest
        if newest is not None and self._seen_ms - newest.until_ms > FORGOTTEN_MS:
            self._leaving.append(self._services.pop(key))
            self._due.pop(key, None)
            self._arrived_ms.pop(key, None)
            self._changed.discard(key)
            self._gone.add(key)

    # ------------------------------------------------------------------ output

    def collect(self, now_ms: int) -> Iterator[ServiceRevision]:
        """Yield what is due: finals, and while the log is read to its end also current windows."""
        live = self._listening_since_ms is not None
        leaving, self._leaving = self._leaving, []
        for state in leaving:
            yield last_revision(state, self._reading_time(now_ms))
        final_to_ms = self._seen_ms - self._limits.grace_ms
        for key, state in list(self._services.items()):
            finals_due = final_to_ms // MINUTE_MS > state.finals_to_ms // MINUTE_MS
            revised = (
                state.changed_from_ms is not None and state.changed_from_ms < state.finals_to_ms
            )
            due = self._due.setdefault(key, [0] * len(SIZES))
            if not (
                finals_due or revised or (live and (key in self._changed or min(due) <= now_ms))
            ):
                continue
            spans = state.spans(self._seen_ms)
            if self._seen_ms <= state.first_ms or not spans:
                continue  # it has not begun
            if finals_due or revised:
                yield from self._finals(key, state, spans, final_to_ms, now_ms)
            if live:
                yield from self._current(key, state, spans, due, now_ms)
            settle_ms = self._seen_ms - self._limits.lateness_ms - self._limits.future_ms
            if settle_ms - state.settled_ms >= MINUTE_MS:
                self._settle(state, settle_ms)

    def _finals(
        self,
        key: bytes,
        state: ServiceState,
        spans: list[HealthSpan],
        final_to_ms: int,
        now_ms: int,
    ) -> Iterator[ServiceRevision]:
        changed_ms = state.changed_from_ms
        from_ms = state.finals_to_ms if changed_ms is None else min(changed_ms, state.finals_to_ms)
        for size in SIZES:
            for start_ms in self._windows_to_publish(state, size, spans, from_ms, final_to_ms):
                end_ms = start_ms + SIZE_MS[size]
                is_new = end_ms > state.finals_to_ms
                if end_ms > from_ms and (is_new or (changed_ms is not None)):
                    moment = self._reading_time(now_ms)
                    revision = revision_of_window(state, size, start_ms, spans, moment)
                    if revision is not None:
                        yield revision
        state.finals_to_ms = max(state.finals_to_ms, final_to_ms)
        state.changed_from_ms = None
        self._changed.add(key)
        self._urgent.add(key)

    def _windows_to_publish(
        self,
        state: ServiceState,
        size: WindowSize,
        spans: list[HealthSpan],
        from_ms: int,
        to_ms: int,
    ) -> Iterator[int]:
        """Yield the starts of windows of which anything is known, or that are not long over.

        The others are not published: a month without a worker makes no work.
        """
        span_ms, first_ms = SIZE_MS[size], max(from_ms, state.first_ms)
        lately_ms = self._seen_ms - HOUR_MS - span_ms
        next_ms = window_start(size, first_ms)
        base_ms, _ = state.bases[SIZES.index(size)]
        stretches = [(base_ms, base_ms + 1)]  # what was summed up stands in the window it is of
        for start_ms, end_ms, health in spans:
            since_ms = max(start_ms, lately_ms) if health == UNKNOWN else start_ms
            stretches.append((since_ms, end_ms))
        for start_ms, end_ms in stretches:
            next_ms = max(next_ms, window_start(size, start_ms)) if end_ms > start_ms else next_ms
            while next_ms < end_ms and next_ms + span_ms <= to_ms:
                yield next_ms
                next_ms += span_ms

    def _current(
        self, key: bytes, state: ServiceState, spans: list[HealthSpan], due: list[int], now_ms: int
    ) -> Iterator[ServiceRevision]:
        changed = spans[-1].health != state.published
        for place, size in enumerate(SIZES):
            if changed or due[place] <= now_ms:
                due[place] = now_ms + INTERVAL_MS[size]
                start_ms = window_start(size, spans[-1].end_ms - 1)
                moment = self._reading_time(now_ms)
                revision = revision_of_window(state, size, start_ms, spans, moment)
                if revision is not None:
                    yield revision
        if changed:
            state.published = spans[-1].health
            self._changed.add(key)
            self._urgent.add(key)

    def _reading_time(self, now_ms: int) -> ReadingTime:
        return ReadingTime(self._seen_ms, now_ms, self._limits.grace_ms)

    def _settle(self, state: ServiceState, to_ms: int) -> None:
        """Sum up what is before a time and was published as final."""
        state.settle(min(to_ms, state.finals_to_ms))

    def take_changes(self, *, everything: bool) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete.

        Args:
            everything: also rows that changed only by beats without news, or by time.
        """
        keys = self._changed if everything else self._urgent & self._changed
        changes: list[tuple[bytes, bytes | None]] = []
        for key in sorted(keys):
            packed = self._packed[key] = pack_service(self._services[key])
            changes.append((key, packed))
        gone = [key for key in sorted(self._gone) if self._packed.pop(key, None) is not None]
        changes += [(key, None) for key in gone]
        self._changed = self._changed - keys
        self._urgent.clear()
        self._gone.clear()
        return changes


def _revise(state: ServiceState, from_ms: int) -> None:
    before_ms = state.changed_from_ms
    state.changed_from_ms = from_ms if before_ms is None else min(before_ms, from_ms)
