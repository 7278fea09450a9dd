"""Look back from a minute over a series' windows: sums, percentiles, status, silence.

A span of 3 h 20 min that ends with minute t, whole larger windows inside and smaller ones at its
edges; what is larger must be final, else its parts count:

    5m  |1h        |1h        |5m|5m|5m|1m|1m|1m|t|
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

from schemas.spans import MINUTE_MS
from streams.measure.centroids import STORED_LIMIT
from streams.measure.digests import Engine, merge, quantiles
from streams.rules.aggregate_reader import AggregateRecord, ServiceRecord
from streams.rules.needed_windows import EXEMPLAR_MINUTES, FIVES_UP_TO, MINUTES_UP_TO, Needs
from streams.rules.series_state import SeriesState, StoredTrend, StoredWindow
from streams.rules.stored_window import digest_of, trend_of, window_of
from streams.rules.window_sums import total

_FIVE, _HOUR = 5, 60
#: The number of windows of more than an hour that are stored; only their trend is used.
_TRENDS_STORED = 24
_BASES_CACHED = 32

_Base = tuple[tuple[int, ...], bytes | None]
"""Sums, and the packed digest if that was asked for."""


class History:
    """A series' windows, with what was summed up already."""

    def __init__(self, state: SeriesState, needs: Needs, engine: Engine) -> None:
        """Look at the windows of a series' state."""
        self._state = state
        self._needs = needs
        self._engine = engine
        self._bases: dict[tuple[int, int], _Base] = {}
        self._slow: dict[tuple[int, int, float], int] = {}
        self._order = sorted(state.minutes)
        self.changes = 0
        """Grows with each change of a minute other than the newest."""

    # ------------------------------------------------------------------ windows come and go

    def add(self, record: AggregateRecord) -> bool:
        """Store a window; return whether it has anything new that rules look at."""
        window, state = record.window, self._state
        minute = window.start_ms // MINUTE_MS
        is_trend = window.size in self._needs.trends and self._add_trend(record)
        windows = self._windows_for(record)
        if windows is None:
            return is_trend
        before = windows.get(minute)
        if before is not None and (record.revision, record.final) <= (
            before.revision,
            before.final,
        ):
            return is_trend
        if minute < state.newest:
            self.changes += 1
        caches: tuple[dict[Any, Any], ...] = self._bases, self._slow
        for cache in caches:
            for key in [key for key in cache if key[1] > minute]:
                del cache[key]
        if before is None and window.size == "1m":
            insort(self._order, minute)
        windows[minute] = stored = window_of(record, self._needs)
        stored.final |= before is not None and before.final
        if window.size == "1m":
            self._note(record, minute)
        return True

    def _windows_for(self, record: AggregateRecord) -> dict[int, StoredWindow] | None:
        """Return where a window belongs; None if no span needs it."""
        window, state, needs = record.window, self._state, self._needs
        if window.size == "1m":
            oldest = state.settled - max(needs.short, EXEMPLAR_MINUTES)
            return state.minutes if window.start_ms // MINUTE_MS > oldest else None
        if not record.final:
            return None
        if window.size == "5m" and needs.long:
            return state.fives
        return state.hours if window.size == "1h" and needs.long > FIVES_UP_TO else None

    def _note(self, record: AggregateRecord, minute: int) -> None:
        state = self._state
        if minute > state.newest:
            for at in range(max(state.newest, minute - EXEMPLAR_MINUTES), minute):
                if (window := state.minutes.get(at)) is not None:
                    digest_of(window)  # a fifth of what it takes as it came
            state.newest = minute
        if not isinstance(record, ServiceRecord) or not (
            record.silent or record.status == "unknown"
        ):
            state.last_active = max(state.last_active, minute)

    def _add_trend(self, record: AggregateRecord) -> bool:
        added, size = trend_of(record), record.window.size
        if added is None:
            return False
        trends = [other for other in self._state.trends.get(size, []) if other.end != added.end]
        trends.append(added)
        trends.sort(key=lambda trend: trend.end)
        self._state.trends[size] = trends[-_TRENDS_STORED - 1 :]
        self.changes += 1
        return True

    def prune(self, settled: int) -> None:
        """Drop windows that no span after a settled minute reaches."""
        state, needs = self._state, self._needs
        after = settled + 1
        oldest = after - max(needs.short, needs.long)
        state.windows_since = max(state.windows_since, oldest + 1)
        state.durations_since = max(state.durations_since, after - needs.digests + 1)
        short = after - max(needs.short, EXEMPLAR_MINUTES)
        state.minutes = {
            at: window
            for at, window in state.minutes.items()
            if at > short or (at > oldest and not self._is_covered(at))
        }
        self._order = sorted(state.minutes)
        for windows in (state.minutes, state.fives, state.hours):
            for at, window in windows.items():
                if at <= after - needs.digests:
                    window.digest = b""
        for at, window in state.minutes.items():
            if at <= state.newest - EXEMPLAR_MINUTES:
                window.exemplars = window.failures_by_type = window.actions = b""
        if state.fives:
            edge = after - min(needs.long, FIVES_UP_TO) - _FIVE
            state.fives = {
                at: window
                for at, window in state.fives.items()
                if at > edge or (at > oldest and at // _HOUR * _HOUR not in state.hours)
            }
        if state.hours:
            state.hours = {at: w for at, w in state.hours.items() if at > oldest - _HOUR}

    def _is_covered(self, minute: int) -> bool:
        state = self._state
        return minute // _FIVE * _FIVE in state.fives or minute // _HOUR * _HOUR in state.hours

    def forget(self) -> None:
        """Let go of all windows."""
        state = self._state
        state.minutes, state.fives, state.hours, state.trends = {}, {}, {}, {}
        state.windows_since = state.durations_since = state.newest + 1
        self._order = []
        self._bases.clear()
        self._slow.clear()
        self.changes += 1

    @property
    def is_empty(self) -> bool:
        """Whether no span reaches anything."""
        state = self._state
        return not (state.minutes or state.fives or state.hours)

    def pack_digests(self) -> None:
        """Bring digests that are as they came into the form of the table."""
        state = self._state
        for windows in (state.minutes, state.fives, state.hours):
            for window in windows.values():
                digest_of(window)

    # ------------------------------------------------------------------ looking back

    def at(self, minute: int) -> StoredWindow | None:
        """Return the minute's window."""
        return self._state.minutes.get(minute)

    def between(self, first: int, end: int) -> list[int]:
        """Return the minutes with a window, from the first on and before the end, in order."""
        return self._order[bisect_left(self._order, first) : bisect_left(self._order, end)]

    def next_minute(self, first: int) -> int | None:
        """Return the first minute with a window that is not before another."""
        place = bisect_left(self._order, first)
        return self._order[place] if place < len(self._order) else None

    def is_silent(self, minute: int) -> bool:
        """Return whether a minute has nothing to judge by: no operation, or no window at all."""
        window = self._state.minutes.get(minute)
        return window is None or not (window.sums[0] or window.status)

    def sums(self, span: int, minute: int) -> Any:
        """Return the Sums of this many minutes, the last one included; a service's ServiceTimes."""
        base, _ = self._base(span, minute, digest=False)
        window = self._state.minutes.get(minute)
        return base if window is None else total((base, window.sums), self._state.kind)

    def quantile(self, span: int, minute: int, rank: float) -> float | None:
        """Return the value (ms) at a rank (0 to 1) of the durations; None without any."""
        _, base = self._base(span, minute, digest=True)
        window = self._state.minutes.get(minute)
        parts = [base] if base else []
        if window is not None and (digest := digest_of(window)):
            parts.append(digest)
        if not parts:
            return None
        merged = merge(parts, self._engine, STORED_LIMIT)
        return quantiles(merged, (rank,))[0]

    def _base(self, span: int, minute: int, *, digest: bool) -> _Base:
        """Return what a span holds before its last minute."""
        key = span, minute
        cached = self._bases.get(key)
        if cached is not None and (cached[1] is not None or not digest):
            return cached
        parts = list(self._parts(span, minute))
        packed = None
        if digest:
            digests = [packed for packed in map(digest_of, parts) if packed]
            packed = merge(digests, self._engine, STORED_LIMIT) if digests else b""
        found = total([window.sums for window in parts], self._state.kind), packed
        if len(self._bases) >= _BASES_CACHED:
            self._bases.clear()
        self._bases[key] = found
        return found

    def _parts(self, span: int, minute: int) -> Iterator[StoredWindow]:
        state = self._state
        start = minute - span + 1
        if span <= MINUTES_UP_TO:
            for at in range(start, minute):
                if (window := state.minutes.get(at)) is not None:
                    yield window
            return
        edge = _FIVE if span <= FIVES_UP_TO else _HOUR
        start = -(-start // edge) * edge
        hours = {at for at in state.hours if start <= at <= minute - _HOUR}
        fives = {
            at
            for at in state.fives
            if start <= at <= minute - _FIVE and at // _HOUR * _HOUR not in hours
        }
        yield from (window for at, window in state.hours.items() if at in hours)
        yield from (window for at, window in state.fives.items() if at in fives)
        for at, window in state.minutes.items():
            is_inside = start <= at < minute
            if is_inside and at // _FIVE * _FIVE not in fives and at // _HOUR * _HOUR not in hours:
                yield window

    def is_complete(self, first: int, *, durations: bool = False) -> bool:
        """Return whether all windows from a minute on are there, perhaps with their durations."""
        state = self._state
        return first >= (state.durations_since if durations else state.windows_since)

    def slow(self, span: int, minute: int, bound_ms: float) -> int:
        """Return how many operations of this many minutes took a bound or longer.

        Windows that were stored before any rule had the bound have none.
        """
        key = span, minute, bound_ms
        base = self._slow.get(key)
        if base is None:
            if len(self._slow) >= _BASES_CACHED:
                self._slow.clear()
            base = sum(window.slow.get(bound_ms, 0) for window in self._parts(span, minute))
            self._slow[key] = base
        window = self._state.minutes.get(minute)
        return base if window is None else base + window.slow.get(bound_ms, 0)

    def sums_before(self, span: int, end: int) -> Any:
        """Return the sums of this many minutes before another, both on the hour if it is many."""
        return self._base(span + 1, end, digest=False)[0]

    def quantile_of_hour(self, start: int, rank: float) -> float | None:
        """Return the value (ms) at a rank of an hour's durations; None before it is final."""
        window = self._state.hours.get(start)
        return None if window is None else window.quantiles.get(rank)

    def configurations(self, first: int, end: int) -> set[str]:
        """Return the configurations of the scores from a minute on, before another."""
        state = self._state
        stored = (*state.minutes.items(), *state.fives.items(), *state.hours.items())
        return {it for at, window in stored if first <= at < end for it in window.configurations}

    def trends(self, size: str, minute: int) -> list[StoredTrend]:
        """Return the trends of the final windows of a size that ended by the minute's end."""
        return [trend for trend in self._state.trends.get(size, []) if trend.end <= minute + 1]

    def age(self, minute: int) -> int:
        """Return since how many minutes, the last one included, there are windows."""
        state = self._state
        stored = (state.minutes, state.fives, state.hours)
        oldest = min((min(windows) for windows in stored if windows), default=0)
        return minute - oldest + 1

    def silence(self, minute: int) -> int:
        """Return for how many minutes, the last one included, nothing has happened."""
        return minute - self._state.last_active

    def last_minutes(self, minute: int) -> Iterator[StoredWindow]:
        """Return the last minutes, of which exemplars and types of failures are stored."""
        minutes = range(minute - EXEMPLAR_MINUTES + 1, minute + 1)
        return (it for at in minutes if (it := self._state.minutes.get(at)))
