"""List the windows of a series as the rows of a table, with operations worth looking at."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from schemas.fields import NAME_LENGTH
from streams.dashboard import figures
from streams.dashboard.book import SeriesBook
from streams.dashboard.charts import Frame
from streams.dashboard.figures import Quantity
from streams.dashboard.points import OperationsPoint, QualityPoint

_MOST_ID = 200


class ShownExemplar(msgspec.Struct, gc=False, frozen=True):
    """See schemas.aggregates.Exemplar."""

    id: str
    success: bool
    duration_ms: float
    error_type: str | None = None


class WindowRow(NamedTuple):
    """A window in the table."""

    at_ms: int
    end_ms: int
    place: float
    """Its middle, in per cent of the span."""
    final: bool
    count: int  # type: ignore[assignment]  # tuple.count
    failures: int
    success: Quantity
    p50: Quantity
    p95: Quantity
    p99: Quantity
    hit_rate: Quantity
    throughput: Quantity
    quality: Quantity
    exemplars: tuple[ShownExemplar, ...]
    point: OperationsPoint


def window_rows(
    frame: Frame, book: SeriesBook[OperationsPoint], quality: SeriesBook[QualityPoint] | None
) -> list[WindowRow]:
    """Return the windows of a span, the newest first."""
    size, span = frame.span.point_size, frame.span
    found = []
    for start_ms, point in book.points(size, span.start_ms, span.end_ms):
        scores = None if quality is None else quality.find(size, start_ms)
        found.append(
            WindowRow(
                at_ms=start_ms,
                end_ms=start_ms + frame.size_ms,
                place=frame.place(start_ms + frame.size_ms / 2),
                final=point.final,
                count=point.count,
                failures=point.failures,
                success=figures.percent(point.success_rate),
                p50=figures.duration(point.p50_ms if point.count else None),
                p95=figures.duration(point.p95_ms if point.count else None),
                p99=figures.duration(point.p99_ms if point.count else None),
                hit_rate=figures.percent(point.hits / point.lookups if point.lookups else None, 1),
                throughput=figures.per_second(point.count, frame.passed_ms(start_ms)),
                quality=figures.score(None if scores is None else scores.mean),
                exemplars=tuple(read_exemplars(point.exemplars)),
                point=point,
            )
        )
    found.reverse()
    return found


_read = msgspec.json.Decoder(list[ShownExemplar]).decode


def read_exemplars(encoded: bytes) -> Sequence[ShownExemplar]:
    """Return the exemplars of a window; none if they cannot be read: anybody may write them."""
    try:
        return [
            msgspec.structs.replace(
                it, id=it.id[:_MOST_ID], error_type=it.error_type and it.error_type[:NAME_LENGTH]
            )
            for it in _read(encoded)[:3]
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
