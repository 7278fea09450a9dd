"""Return figures of series over trailing spans, computed again only after a change."""

from typing import Any

from streams.dashboard.book import Books, SeriesBook
from streams.dashboard.points import (
    OperationsPoint,
    OperationsSum,
    QualityPoint,
    QualitySum,
    ServicePoint,
    ServiceSum,
    sum_operations,
    sum_quality,
    sum_services,
)
from streams.dashboard.spans import TrailingSpan

#: SpanSums that are remembered; of more all are forgotten.
_MOST = 20_000


class SpanSums:
    """The figures of all series over any span."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._memory: dict[tuple[str, int, int], tuple[int, Any]] = {}

    def operations(self, name: str, span: TrailingSpan) -> OperationsSum:
        """Return what a series of operations came to."""
        book = self.books.operations.get(name)
        return OperationsSum() if book is None else self._of(book, span, self._operations)

    def quality(self, name: str, span: TrailingSpan) -> QualitySum:
        """Return what a series of scores came to."""
        book = self.books.quality.get(name)
        return QualitySum() if book is None else self._of(book, span, self._quality)

    def service(self, name: str, span: TrailingSpan) -> ServiceSum:
        """Return for how long a service was up."""
        book = self.books.services.get(name)
        return ServiceSum() if book is None else self._of(book, span, self._service)

    @staticmethod
    def _operations(book: SeriesBook[OperationsPoint], span: TrailingSpan) -> OperationsSum:
        return sum_operations(book.cover(span))

    @staticmethod
    def _quality(book: SeriesBook[QualityPoint], span: TrailingSpan) -> QualitySum:
        return sum_quality(book.cover(span))

    @staticmethod
    def _service(book: SeriesBook[ServicePoint], span: TrailingSpan) -> ServiceSum:
        return sum_services(book.cover(span))

    def _of(self, book: SeriesBook[Any], span: TrailingSpan, compute: Any) -> Any:
        key = (book.name, span.start_ms, span.end_ms)
        found = self._memory.get(key)
        if found is not None and found[0] == book.changed:
            return found[1]
        if len(self._memory) >= _MOST:
            self._memory.clear()
        result = compute(book, span)
        self._memory[key] = book.changed, result
        return result
