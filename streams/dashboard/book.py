"""Remember of each series its newest windows: a bounded number of each size."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

import msgspec

from schemas.series import WindowSize
from schemas.spans import DAY_MS
from streams.dashboard.points import (
    CountedPoint,
    OperationsPoint,
    Point,
    QualityPoint,
    ServicePoint,
    operations_point,
    quality_point,
    service_point,
)
from streams.dashboard.records import (
    Shown,
    ShownOperations,
    ShownQuality,
    ShownService,
    name_of,
)
from streams.dashboard.spans import POINT_SIZE, TrailingSpan, cover
from streams.measure.window_times import SIZE_MS, SIZES
from streams.rules.aggregate_reader import ScoreSeriesFields, SeriesFields, ServiceFields

SeriesLabels = SeriesFields | ScoreSeriesFields | ServiceFields
Place = tuple[WindowSize, int]
"""Size and start of a window."""


class Bounds(NamedTuple):
    """How much is remembered of a series' windows of a size."""

    windows: int
    """This many are remembered, …"""
    digests: int
    """… and of the newest ones their digests, too."""


#: Charts of a span and of the span before it; percentiles of the trailing spans.
BOUNDS: dict[WindowSize, Bounds] = {
    "1m": Bounds(130, 70),
    "5m": Bounds(580, 80),
    "1h": Bounds(340, 32),
    "6h": Bounds(130, 34),
    "24h": Bounds(62, 34),
    "7d": Bounds(10, 6),
}
_TREND_SIZE: WindowSize = "1h"
#: A series that had no window for so long is forgotten; the topic keeps a week.
_FORGOTTEN_MS = 8 * DAY_MS
#: A window that begins later than this after its record is none.
_AHEAD_MS = 2 * DAY_MS

_tally = msgspec.msgpack.Decoder(CountedPoint).decode
_P = TypeVar("_P", OperationsPoint, QualityPoint, ServicePoint)


class SeriesBook(Generic[_P]):
    """The windows of a series, packed."""

    def __init__(self, name: str, kind: type[_P], series: SeriesLabels) -> None:
        self.name = name
        self.series = series
        self.service: ShownService | None = None
        """How a service stands, by its newest window."""
        self.changed = 0
        """Grows with each change."""
        self.trend: tuple[int, str] | None = None
        """Start and verdict of the newest window that has a trend."""
        self._decode: Callable[[bytes], _P] = msgspec.msgpack.Decoder(kind).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._windows: dict[WindowSize, dict[int, bytes]] = {size: {} for size in SIZES}

    def take(self, record: Shown, point: _P) -> None:
        """Take a window in, if it is newer than what was there."""
        if self.put(record.window.size, record.window.start_ms, point):
            self._note(record)

    def put(self, size: WindowSize, start_ms: int, point: _P) -> bool:
        """Put a window's point in; return whether it is newer than what was there."""
        of_size = self._windows[size]
        before = of_size.get(start_ms)
        if before is not None:
            before_it = self._decode(before)
            if (point.revision, point.final) <= (before_it.revision, before_it.final):
                return False
        of_size[start_ms] = self._encode(point)
        if before is None:
            self._forget(size, start_ms)
        self.changed += 1
        return True

    def find(self, size: WindowSize, start_ms: int) -> _P | None:
        """Return a window's point."""
        packed = self._windows[size].get(start_ms)
        return None if packed is None else self._decode(packed)

    def points(self, size: WindowSize, start_ms: int, end_ms: int) -> Iterator[tuple[int, _P]]:
        """Yield the windows of a size that begin in a span, the oldest first."""
        of_size = self._windows[size]
        for at_ms in sorted(at for at in of_size if start_ms <= at < end_ms):
            yield at_ms, self._decode(of_size[at_ms])

    def cover(self, span: TrailingSpan) -> list[_P]:
        """Return the windows that make up a span."""
        return cover(self.find, span)

    def tally(self, span: TrailingSpan) -> tuple[int, int]:
        """Return how many operations a span has, and how many of them failed."""
        found = cover(self._tally_at, span)
        return sum(it.count for it in found), sum(it.failures for it in found)

    def _tally_at(self, size: WindowSize, start_ms: int) -> CountedPoint | None:
        packed = self._windows[size].get(start_ms)
        return None if packed is None else _tally(packed)

    def first_in(self, span: TrailingSpan) -> int | None:
        """Return when the first of the windows begins that lie in a span."""
        return min(
            (
                start_ms
                for size, of_size in self._windows.items()
                for start_ms in of_size
                if span.start_ms <= start_ms and start_ms + SIZE_MS[size] <= span.end_ms
            ),
            default=None,
        )

    def size_for(self, span: TrailingSpan) -> WindowSize:
        """Return the size of the smallest windows that reach back to the start of a span."""
        first_ms = self.first_in(span)
        sizes = SIZES[SIZES.index(POINT_SIZE[span.name]) :]
        for size, larger in pairwise(sizes):
            oldest_ms = min(self._windows[size], default=span.end_ms)
            # Of what began meanwhile the larger windows begin a little earlier.
            if first_ms is None or oldest_ms < max(span.start_ms, first_ms) + SIZE_MS[larger]:
                return size
        return sizes[-1]

    @property
    def last_ms(self) -> int:
        """When the newest window ends."""
        return max(
            (max(of_size) + SIZE_MS[size] for size, of_size in self._windows.items() if of_size),
            default=0,
        )

    def __len__(self) -> int:
        return sum(map(len, self._windows.values()))

    def _note(self, record: Shown) -> None:
        if isinstance(record, ShownService):
            if self.service is None or _order(record) >= _order(self.service):
                self.service = record
            return
        window, trend = record.window, record.trend
        if trend is None or window.size != _TREND_SIZE:
            return
        if self.trend is None or window.start_ms >= self.trend[0]:
            self.trend = window.start_ms, trend.verdict

    def _forget(self, size: WindowSize, added_ms: int) -> None:
        """Drop the oldest window past the bound, and the digest of one that is too old for it."""
        of_size, bounds = self._windows[size], BOUNDS[size]
        if len(of_size) > bounds.windows:
            del of_size[min(of_size)]
        if len(of_size) > bounds.digests:
            old = min(added_ms, sorted(of_size)[-bounds.digests - 1])
            if old in of_size:
                of_size[old] = self._encode(self._decode(of_size[old]).without_digest())


def _order(record: ShownService) -> tuple[int, int]:
    """Return when a record says how the service is: revisions of open windows are clock times."""
    return record.window.end_ms if record.final else record.revision, record.revision


class Books:
    """All series; of more than a limit the first ones that came."""

    def __init__(self, most_series: int) -> None:
        self.operations: dict[str, SeriesBook[OperationsPoint]] = {}
        self.quality: dict[str, SeriesBook[QualityPoint]] = {}
        self.services: dict[str, SeriesBook[ServicePoint]] = {}
        self.left_out: set[str] = set()
        """Series beyond the limit: they are not shown."""
        self.refused = 0
        """Records that cannot be shown."""
        self._most_series = most_series

    def take(self, record: Shown, timestamp_ms: int) -> None:
        """Take a record in, unless its window begins too far ahead of it."""
        if record.window.start_ms > timestamp_ms + _AHEAD_MS:
            self.refused += 1
            return
        match record:
            case ShownOperations():
                self._take(self.operations, OperationsPoint, record, operations_point(record))
            case ShownQuality():
                self._take(self.quality, QualityPoint, record, quality_point(record))
            case ShownService():
                self._take(self.services, ServicePoint, record, service_point(record))

    def forget(self, now_ms: int) -> None:
        """Forget the series that had nothing for longer than the topic keeps."""
        for books in (self.operations, self.quality, self.services):
            old = [name for name, book in books.items() if book.last_ms < now_ms - _FORGOTTEN_MS]
            for name in old:
                del books[name]
        self.left_out.clear()

    def all(self) -> Iterable[SeriesBook[Point]]:  # type: ignore[type-var]
        """Yield all series."""
        yield from self.operations.values()  # type: ignore[misc]
        yield from self.quality.values()  # type: ignore[misc]
        yield from self.services.values()  # type: ignore[misc]

    def put_operations(
        self, name: str, series: SeriesFields, place: Place, point: OperationsPoint
    ) -> None:
        """Put a window of operations in that the history has."""
        book = self._book(self.operations, OperationsPoint, name, series)
        if book is not None:
            book.put(*place, point)

    def put_quality(
        self, name: str, series: ScoreSeriesFields, place: Place, point: QualityPoint
    ) -> None:
        """Put a window of scores in that the history has."""
        book = self._book(self.quality, QualityPoint, name, series)
        if book is not None:
            book.put(*place, point)

    def put_service(
        self, name: str, series: ServiceFields, place: Place, point: ServicePoint
    ) -> None:
        """Put a window of a service in that the history has."""
        book = self._book(self.services, ServicePoint, name, series)
        if book is not None:
            book.put(*place, point)

    def _take(
        self, books: dict[str, SeriesBook[_P]], kind: type[_P], record: Shown, point: _P
    ) -> None:
        book = self._book(books, kind, name_of(record), record.series)
        if book is not None:
            book.take(record, point)

    def _book(
        self, books: dict[str, SeriesBook[_P]], kind: type[_P], name: str, series: SeriesLabels
    ) -> SeriesBook[_P] | None:
        """Return the book of a series; None beyond the limit."""
        book = books.get(name)
        if book is None:
            if len(books) >= self._most_series:
                if len(self.left_out) < self._most_series:
                    self.left_out.add(name)
                return None
            book = books[name] = SeriesBook(name, kind, series)
        return book
