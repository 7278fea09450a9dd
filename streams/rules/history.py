"""Look back from a minute over a series' windows: sums, percentiles, status, silence.

A span of 3 h 20 min that ends with minute t, whole larger windows inside and smaller ones at its
edges; what is larger must be final, else its parts are taken:

    5m  |1h        |1h        |5m|5m|5m|1m|1m|1m|t|
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from schemas.aggregates import Exemplar
from schemas.fast import struct_of
from schemas.partials import ExemplarRow
from streams.measure.digests import (
    PUBLISHED_LIMIT,
    STORED_LIMIT,
    Engine,
    merge,
    pack,
    quantiles,
    thinned,
)
from streams.measure.stats import best_exemplars
from streams.rules.needs import EXEMPLAR_MINUTES, FIVES_UP_TO, MINUTES_UP_TO, Needs
from streams.rules.records import AggregateRecord, OperationsRecord
from streams.rules.series_state import SeriesState, StoredTrend, StoredWindow
from streams.rules.sums import sums_of, total

_MINUTE_MS = 60_000
_FIVE, _HOUR = 5, 60
#: Windows of more than an hour are kept for their trend alone; so many.
_TRENDS_KEPT = 24
_BASES_KEPT = 32
#: Windows of a size belong to spans of more than so many minutes, and so do their digests.
_DIGEST_BEYOND = {"1m": 0, "5m": MINUTES_UP_TO, "1h": MINUTES_UP_TO}


_Base = tuple[tuple[int, ...], bytes | None]
"""Sums, and the packed digest if that was asked for."""


class _Centroid(msgspec.Struct, gc=False):
    m: Annotated[float, msgspec.Meta(ge=0, le=1e16)]
    c: Annotated[float, msgspec.Meta(gt=0, le=1e16)]


class _Digest(msgspec.Struct, gc=False):
    centroids: list[_Centroid]


#: A packed digest begins with its weights' type, JSON with a character.
_PACKED_UP_TO = b"\x03"
_read_digest = msgspec.json.Decoder(_Digest).decode
_read_exemplars = msgspec.json.Decoder(list[struct_of(Exemplar)]).decode  # type: ignore[misc]


class History:
    """A series' windows, with what was summed up already."""

    def __init__(self, row: SeriesState, needs: Needs, engine: Engine) -> None:
        """Look at a row's windows."""
        self._row = row
        self._needs = needs
        self._engine = engine
        self._bases: dict[tuple[int, int], _Base] = {}
        self._order = sorted(row.minutes)
        self.changes = 0
        """Grows with each change of a minute other than the newest."""

    # ------------------------------------------------------------------ windows come and go

    def add(self, told: AggregateRecord) -> bool:
        """Take a window in; return whether it says anything new that rules look at."""
        window, row = told.window, self._row
        minute = window.start_ms // _MINUTE_MS
        is_trend = window.size in self._needs.trends and self._take_trend(told)
        kept = self._kept(told)
        if kept is None:
            return is_trend
        before = kept.get(minute)
        if before is not None and (told.revision, told.final) <= (before.revision, before.final):
            return is_trend
        if minute < row.newest:
            self.changes += 1
        for key in [key for key in self._bases if key[1] > minute]:
            del self._bases[key]
        if before is None and window.size == "1m":
            insort(self._order, minute)
        kept[minute] = self._held(told, final=told.final or (before is not None and before.final))
        if window.size == "1m":
            self._note(told, minute)
        return True

    def _kept(self, told: AggregateRecord) -> dict[int, StoredWindow] | None:
        """Return where a window belongs; None if no span needs it."""
        window, row, needs = told.window, self._row, self._needs
        if window.size == "1m":
            oldest = row.settled - max(needs.short, EXEMPLAR_MINUTES)
            return row.minutes if window.start_ms // _MINUTE_MS > oldest else None
        if not told.final:
            return None
        if window.size == "5m" and needs.long:
            return row.fives
        return row.hours if window.size == "1h" and needs.long > FIVES_UP_TO else None

    def _note(self, told: AggregateRecord, minute: int) -> None:
        row = self._row
        if minute > row.newest:
            for each in range(max(row.newest, minute - EXEMPLAR_MINUTES), minute):
                if (held := row.minutes.get(each)) is not None:
                    _digest_of(held)  # a fifth of what it takes as it came
            row.newest = minute
        if isinstance(told, OperationsRecord) or not (told.silent or told.status == "unknown"):
            row.spoke = max(row.spoke, minute)

    def _held(self, told: AggregateRecord, *, final: bool) -> StoredWindow:
        sums = tuple(sums_of(told))
        if not isinstance(told, OperationsRecord):
            status = "silent" if told.silent and told.status == "down" else told.status
            return StoredWindow(told.revision, final, sums, status=status)
        size = told.window.size
        small = size == "1m"
        digest = bytes(told.digest) if self._needs.digests > _DIGEST_BEYOND[size] else b""
        return StoredWindow(
            told.revision, final, sums, digest, bytes(told.exemplars) if small else b""
        )

    def _take_trend(self, told: AggregateRecord) -> bool:
        if not told.final or not isinstance(told, OperationsRecord):
            return False
        trend = told.trend
        if trend is None:
            return False
        end = told.window.end_ms // _MINUTE_MS
        kept = [one for one in self._row.trends.get(told.window.size, []) if one.end != end]
        kept.append(StoredTrend(end, trend.verdict, msgspec.structs.asdict(trend.evidence)))
        kept.sort(key=lambda one: one.end)
        self._row.trends[told.window.size] = kept[-_TRENDS_KEPT - 1 :]
        self.changes += 1
        return True

    def prune(self, settled: int) -> None:
        """Drop windows that no span after a settled minute reaches."""
        row, needs = self._row, self._needs
        after = settled + 1
        oldest = after - max(needs.short, needs.long)
        short = after - max(needs.short, EXEMPLAR_MINUTES)
        row.minutes = {
            at: held
            for at, held in row.minutes.items()
            if at > short or (at > oldest and not self._is_covered(at))
        }
        self._order = sorted(row.minutes)
        for windows in (row.minutes, row.fives, row.hours):
            for at, held in windows.items():
                if at <= after - needs.digests:
                    held.digest = b""
        for at, held in row.minutes.items():
            if at <= row.newest - EXEMPLAR_MINUTES:
                held.exemplars = b""
        if row.fives:
            edge = after - min(needs.long, FIVES_UP_TO) - _FIVE
            row.fives = {
                at: held
                for at, held in row.fives.items()
                if at > edge or (at > oldest and at // _HOUR * _HOUR not in row.hours)
            }
        if row.hours:
            row.hours = {at: held for at, held in row.hours.items() if at > oldest - _HOUR}

    def _is_covered(self, minute: int) -> bool:
        row = self._row
        return minute // _FIVE * _FIVE in row.fives or minute // _HOUR * _HOUR in row.hours

    def forget(self) -> None:
        """Let go of all windows."""
        row = self._row
        row.minutes, row.fives, row.hours, row.trends = {}, {}, {}, {}
        self._order = []
        self._bases.clear()
        self.changes += 1

    @property
    def is_empty(self) -> bool:
        """Whether no span reaches anything."""
        row = self._row
        return not (row.minutes or row.fives or row.hours)

    def pack_digests(self) -> None:
        """Bring digests that are as they came into the form of the table."""
        row = self._row
        for windows in (row.minutes, row.fives, row.hours):
            for held in windows.values():
                _digest_of(held)

    # ------------------------------------------------------------------ looking back

    def at(self, minute: int) -> StoredWindow | None:
        """Return the minute's window."""
        return self._row.minutes.get(minute)

    def between(self, first: int, end: int) -> list[int]:
        """Return the minutes with a window, from one on and before another, in order."""
        return self._order[bisect_left(self._order, first) : bisect_left(self._order, end)]

    def next_minute(self, first: int) -> int | None:
        """Return the first minute with a window from one on."""
        place = bisect_left(self._order, first)
        return self._order[place] if place < len(self._order) else None

    def is_silent(self, minute: int) -> bool:
        """Return whether a minute has nothing to judge by: no operation, or no window at all."""
        held = self._row.minutes.get(minute)
        return held is None or not (held.sums[0] or held.status)

    def sums(self, span: int, minute: int) -> Any:
        """Return the Sums of so many minutes, the last one included; a service's ServiceTimes."""
        base, _ = self._base(span, minute, digest=False)
        held = self._row.minutes.get(minute)
        return base if held is None else total((base, held.sums), self._row.kind)

    def quantile(self, span: int, minute: int, rank: float) -> float | None:
        """Return the value (ms) at a rank (0 to 1) of the durations; None without any."""
        _, base = self._base(span, minute, digest=True)
        held = self._row.minutes.get(minute)
        parts = [base] if base else []
        if held is not None and (digest := _digest_of(held)):
            parts.append(digest)
        if not parts:
            return None
        merged = merge(parts, self._engine, STORED_LIMIT)
        return quantiles(merged, (rank,))[0]

    def _base(
        self, span: int, minute: int, *, digest: bool
    ) -> tuple[tuple[int, ...], bytes | None]:
        """Return what a span holds before its last minute."""
        key = span, minute
        known = self._bases.get(key)
        if known is not None and (known[1] is not None or not digest):
            return known
        parts = list(self._parts(span, minute))
        packed = None
        if digest:
            digests = [one for one in map(_digest_of, parts) if one]
            packed = merge(digests, self._engine, STORED_LIMIT) if digests else b""
        found = total([held.sums for held in parts], self._row.kind), packed
        if len(self._bases) >= _BASES_KEPT:
            self._bases.clear()
        self._bases[key] = found
        return found

    def _parts(self, span: int, minute: int) -> Iterator[StoredWindow]:
        row = self._row
        at = minute - span + 1
        if span <= MINUTES_UP_TO:
            for each in range(at, minute):
                if (held := row.minutes.get(each)) is not None:
                    yield held
            return
        edge = _FIVE if span <= FIVES_UP_TO else _HOUR
        at = -(-at // edge) * edge
        hours = {each for each in row.hours if at <= each <= minute - _HOUR}
        fives = {
            each
            for each in row.fives
            if at <= each <= minute - _FIVE and each // _HOUR * _HOUR not in hours
        }
        for each, held in row.hours.items():
            if each in hours:
                yield held
        for each, held in row.fives.items():
            if each in fives:
                yield held
        for each, held in row.minutes.items():
            if (
                at <= each < minute
                and each // _FIVE * _FIVE not in fives
                and each // _HOUR * _HOUR not in hours
            ):
                yield held

    def trends(self, size: str, minute: int) -> list[StoredTrend]:
        """Return the trends of the final windows of a size that ended by the minute's end."""
        return [one for one in self._row.trends.get(size, []) if one.end <= minute + 1]

    def age(self, minute: int) -> int:
        """Return for how many minutes, the last one included, anything is held of the series."""
        row = self._row
        oldest = min((min(held) for held in (row.minutes, row.fives, row.hours) if held), default=0)
        return minute - oldest + 1

    def silence(self, minute: int) -> int:
        """Return for how many minutes, the last one included, the series had said nothing."""
        return minute - self._row.spoke

    def exemplars(self, minute: int) -> list[dict[str, str | float | bool | None]]:
        """Return the operations most worth looking at in the last minutes."""
        rows: list[ExemplarRow] = []
        for each in range(minute - EXEMPLAR_MINUTES + 1, minute + 1):
            held = self._row.minutes.get(each)
            found = _exemplars_of(held) if held is not None else ()
            rows += [
                ExemplarRow(not one.success, one.duration_ms, one.id, one.error_type)
                for one in found
            ]
        return [
            {
                "id": row.id,
                "success": not row.failed,
                "duration_ms": row.duration_ms,
                "error_type": row.error_type,
            }
            for row in best_exemplars(rows)
        ]


def _exemplars_of(held: StoredWindow) -> Sequence[Any]:
    """Return the window's exemplars; none where what came is none."""
    try:
        return _read_exemplars(held.exemplars) if held.exemplars else ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()


def _digest_of(held: StoredWindow) -> bytes:
    """Return the window's packed digest, empty if it has none, or what came is none."""
    digest = held.digest
    if digest[:1] <= _PACKED_UP_TO:
        return digest
    held.digest = b""
    try:
        centroids = _read_digest(digest).centroids
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""
    if centroids:
        means: Sequence[float] = [one.m for one in centroids]
        weights = [max(1.0, one.c) for one in centroids]
        packed = pack(np.array(means, np.float64), np.array(weights, np.float64))
        held.digest = thinned(packed, PUBLISHED_LIMIT)
    return held.digest
