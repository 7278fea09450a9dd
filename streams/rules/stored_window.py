"""Make of an aggregate what the table stores of a window, and read what it stores as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.aggregates import FailuresByName, NameCount
from schemas.fast_structs import struct_of
from schemas.partials import MOST_CONFIGURATIONS, ExemplarRow
from schemas.spans import MINUTE_MS
from streams.measure.digest_wire import packed_digest
from streams.measure.digests import count_from, quantiles
from streams.measure.merge import best_exemplars
from streams.measure.tallies import most_frequent
from streams.rules.aggregate_reader import (
    AggregateRecord,
    OperationsRecord,
    QualityRecord,
    ScoreTrendFields,
    ServiceRecord,
)
from streams.rules.needed_windows import MINUTES_UP_TO, Needs
from streams.rules.series_state import CHANGED, StoredTrend, StoredWindow
from streams.rules.window_sums import sums_of


class _StoredExemplar(msgspec.Struct, gc=False):
    """Of operations, or of scores."""

    id: str
    success: bool = True
    duration_ms: float = 0.0
    error_type: str | None = None
    score: float | None = None
    finding: str | None = None


#: Windows of a size belong to spans of more than this many minutes, and so do their digests.
_DIGEST_BEYOND = {"1m": 0, "5m": MINUTES_UP_TO, "1h": MINUTES_UP_TO}
#: A packed digest begins with its weights' type, JSON with a character.
_PACKED_UP_TO = b"\x03"
_read_exemplars = msgspec.json.Decoder(list[_StoredExemplar]).decode
_read_counts = msgspec.json.Decoder(list[struct_of(NameCount)]).decode  # type: ignore[misc]
_read_failures = msgspec.json.Decoder(struct_of(FailuresByName) | None).decode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def window_of(record: AggregateRecord, needs: Needs) -> StoredWindow:
    """Return what is stored of an aggregate; a digest that is needed later stays as it came."""
    sums = tuple(sums_of(record))
    if isinstance(record, QualityRecord):
        return _of_scores(record, sums)
    if not isinstance(record, OperationsRecord):
        status = "silent" if record.silent and record.status == "down" else record.status
        return StoredWindow(record.revision, record.final, sums, status=status)
    size = record.window.size
    ranks = needs.hour_ranks if size == "1h" else ()
    needs_digest = needs.digests > _DIGEST_BEYOND[size]
    window = StoredWindow(record.revision, record.final, sums)
    if needs_digest or needs.bounds or ranks:
        window.digest = bytes(record.digest)
    if size == "1m":
        window.exemplars = bytes(record.exemplars)
        window.failures_by_type = bytes(record.failures_by_type)
    if (ranks or needs.bounds) and (digest := digest_of(window)):
        window.quantiles = {rank: quantiles(digest, (rank,))[0] for rank in ranks}
        window.slow = {bound_ms: count_from(digest, bound_ms) for bound_ms in needs.bounds}
    if not needs_digest:
        window.digest = b""
    return window


def trend_of(record: AggregateRecord) -> StoredTrend | None:
    """Return what is stored of a final window's trend; None if it has none."""
    if not record.final or isinstance(record, ServiceRecord) or record.trend is None:
        return None
    trend = record.trend
    verdict, evidence = trend.verdict, msgspec.structs.asdict(trend.evidence)
    if isinstance(trend, ScoreTrendFields) and trend.changed_configuration:
        verdict, evidence[CHANGED] = "insufficient_data", 1.0
    return StoredTrend(record.window.end_ms // MINUTE_MS, verdict, evidence)


def _of_scores(record: QualityRecord, sums: tuple[int, ...]) -> StoredWindow:
    window = StoredWindow(record.revision, record.final, sums)
    window.configurations = tuple(record.configurations[:MOST_CONFIGURATIONS])
    if record.window.size == "1m":
        window.exemplars = bytes(record.exemplars)
        window.failures_by_type = bytes(record.findings)
        window.actions = bytes(record.actions)
    return window


def exemplars_of(
    windows: Iterable[StoredWindow],
) -> list[dict[str, str | float | bool | None]]:
    """Return the operations, or analyses, of windows that are most worth looking at."""
    shown: dict[ExemplarRow, dict[str, str | float | bool | None]] = {}
    for window in windows:
        for it in _exemplars_of(window):
            if it.score is None:
                row = ExemplarRow(not it.success, it.duration_ms, it.id, it.error_type)
                shown[row] = {
                    "id": row.id,
                    "success": not row.failed,
                    "duration_ms": row.duration_ms,
                    "error_type": row.error_type,
                }
            else:
                row = ExemplarRow(True, 1 - it.score, it.id, it.finding)
                shown[row] = {"id": row.id, "score": it.score, "finding": row.error_type}
    return [shown[row] for row in best_exemplars(shown)]


def _exemplars_of(window: StoredWindow) -> Sequence[Any]:
    """Return the window's exemplars; none where what came cannot be read."""
    try:
        return _read_exemplars(window.exemplars) if window.exemplars else ()
    except _UNREADABLE:
        return ()


class ResultExemplar(NamedTuple):
    """A result that an aggregate names."""

    id: str
    score: float
    finding: str | None


def results_of(record: QualityRecord) -> list[ResultExemplar]:
    """Return the results that a window of scores names, the worst first."""
    exemplars = _exemplars_of(StoredWindow(0, False, (), exemplars=bytes(record.exemplars)))
    named = [it for it in exemplars if it.score is not None]
    named.sort(key=lambda it: (it.score, it.id))
    return [ResultExemplar(it.id, it.score, it.finding) for it in named]


def failures_by_type_of(windows: Iterable[StoredWindow]) -> list[tuple[str, int]]:
    """Return the types of failures, or findings, that windows name, the most frequent first."""
    counts: Counter[str] = Counter()
    for window in windows:
        try:
            found = _read_failures(window.failures_by_type or b"null")
        except _UNREADABLE:
            continue
        for failure in found.most_frequent if found else ():
            counts[failure.name] += failure.count
    return most_frequent(counts)


def actions_of(windows: Iterable[StoredWindow]) -> list[tuple[str, int]]:
    """Return the actions that are recommended for bad results, the most frequent first."""
    counts: Counter[str] = Counter()
    for window in windows:
        try:
            found = _read_counts(window.actions or b"[]")
        except _UNREADABLE:
            continue
        for action in found:
            counts[action.name] += action.count
    return most_frequent(counts)


def digest_of(window: StoredWindow) -> bytes:
    """Return the window's packed digest, empty if it has none, or what came cannot be read."""
    digest = window.digest
    if digest[:1] <= _PACKED_UP_TO:
        return digest
    window.digest = packed_digest(digest)
    return window.digest
