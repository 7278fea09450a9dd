"""Return figures of series over trailing spans, computed again only after a change."""

from collections.abc import Callable
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

#: Sums that are remembered; of more all are forgotten.
_MOST = 20_000


class SpanSums:
    """The figures of all series over any span."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._memory: dict[tuple[Any, str, int, int], tuple[int, Any]] = {}
        """By what adds up, series and span: when the series last changed, and the sum."""

    def operations(self, name: str, span: TrailingSpan) -> OperationsSum:
        """Return what a series of operations came to."""
        book = self.books.operations.get(name)
        return OperationsSum() if book is None else self._of(book, span, _operations)

    def tally(self, name: str, span: TrailingSpan) -> tuple[int, int]:
        """Return how many operations a series has, and how many failed: quicker than their sum."""
        book = self.books.operations.get(name)
        return (0, 0) if book is None else self._of(book, span, SeriesBook.tally)

    def quality(self, name: str, span: TrailingSpan) -> QualitySum:
        """Return what a series of scores came to."""
        book = self.books.quality.get(name)
        return QualitySum() if book is None else self._of(book, span, _quality)

    def service(self, name: str, span: TrailingSpan) -> ServiceSum:
        """Return for how long a service was up."""
        book = self.books.services.get(name)
        return ServiceSum() if book is None else self._of(book, span, _services)

    def _of(self, book: SeriesBook[Any], span: TrailingSpan, add_up: Callable[..., Any]) -> Any:
        key = (add_up, book.name, span.start_ms, span.end_ms)
        found = self._memory.get(key)
        if found is not None and found[0] == book.changed:
            return found[1]
        if len(self._memory) >= _MOST:
            self._memory.clear()
        result = add_up(book, span)
        self._memory[key] = book.changed, result
        return result


def _operations(book: SeriesBook[OperationsPoint], span: TrailingSpan) -> OperationsSum:
    return sum_operations(book.cover(span))


def _quality(book: SeriesBook[QualityPoint], span: TrailingSpan) -> QualitySum:
    return sum_quality(book.cover(span))


def _services(book: SeriesBook[ServicePoint], span: TrailingSpan) -> ServiceSum:
    return sum_services(book.cover(span))
