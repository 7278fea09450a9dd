"""Draw the charts of a series: success, durations, throughput, failures, cache, quality."""

from schemas.spans import SECOND_MS
from streams.dashboard import figures, lines
from streams.dashboard.book import SeriesBook
from streams.dashboard.charts import DrawnChart, Frame, PlottedLine, chart
from streams.dashboard.drawing import Sample
from streams.dashboard.figures import Quantity
from streams.dashboard.lines import Plotted, samples_of
from streams.dashboard.points import OperationsPoint, OperationsSum, QualityPoint
from streams.dashboard.spans import TrailingSpan
from streams.dashboard.targets import Figure, Target
from streams.dashboard.tiles import target_text

#: Types of failures that get a line.
_TYPES = 5
_PER_CENT = (0.0, 100.0)
_ANYTHING = (0.0, 1e16)


def overview_charts(
    frame: Frame, book: SeriesBook[OperationsPoint], targets: dict[Figure, Target]
) -> list[DrawnChart]:
    """Return the two charts of the overview."""
    return [_success(frame, book, targets, []), _durations(frame, book, targets, [])]


def _success(
    frame: Frame,
    book: SeriesBook[OperationsPoint],
    targets: dict[Figure, Target],
    others: list[PlottedLine],
) -> DrawnChart:
    return chart(
        frame,
        "success",
        "Success rate",
        [_line(frame, book, "success rate", lines.SUCCESS, "line-1"), *others],
        _per_cent,
        least=4.0,
        bounds=_PER_CENT,
        target=_target(targets, "success_rate"),
    )


def _durations(
    frame: Frame,
    book: SeriesBook[OperationsPoint],
    targets: dict[Figure, Target],
    others: list[PlottedLine],
) -> DrawnChart:
    return chart(
        frame,
        "durations",
        "Durations",
        [
            _line(frame, book, "p50", lines.P50, "line-1"),
            _line(frame, book, "p95", lines.P95, "line-2"),
            _line(frame, book, "p99", lines.P99, "line-3"),
            *others,
        ],
        figures.duration,
        least=1.0,
        bounds=_ANYTHING,
        target=_target(targets, "p95"),
    )


def _line(
    frame: Frame,
    book: SeriesBook[OperationsPoint],
    label: str,
    plotted: Plotted,
    style: str,
) -> PlottedLine:
    return PlottedLine(label, samples_of(book, frame.span, plotted), style)


def series_charts(
    frame: Frame,
    book: SeriesBook[OperationsPoint],
    quality: SeriesBook[QualityPoint] | None,
    targets: dict[Figure, Target],
    total: OperationsSum,
    *,
    compares: bool,
) -> list[DrawnChart]:
    """Return the charts of a series.

    Args:
        frame: the span and the marks.
        book: the series.
        quality: the scores of the same operation and platform.
        targets: of figures; charts show them.
        total: of the span.
        compares: whether lines show the span before, too.
    """

    def earlier(plotted: Plotted) -> list[PlottedLine]:
        samples = samples_of(book, frame.span.before, plotted, frame.span.point_size)
        return [_earlier(frame.span, samples)] if compares else []

    now = PlottedLine("operations a second", _throughput(frame, book, frame.span), "line-1")
    before = _earlier(frame.span, _throughput(frame, book, frame.span.before))
    found = [
        _success(frame, book, targets, earlier(lines.SUCCESS)),
        _durations(frame, book, targets, earlier(lines.P95)),
        chart(
            frame,
            "throughput",
            "Throughput",
            [now, before] if compares else [now],
            _per_second,
            least=0.2,
            bounds=_ANYTHING,
        ),
        chart(
            frame,
            "failures",
            "Failures by type",
            [
                _line(frame, book, name, _of_type(name), f"line-{number}")
                for number, (name, _) in enumerate(total.types[:_TYPES], 1)
            ],
            _plain,
            least=2.0,
            bounds=_ANYTHING,
        ),
        chart(
            frame,
            "cache",
            "Cache hit rate",
            [_line(frame, book, "hit rate", lines.HIT_RATE, "line-1"), *earlier(lines.HIT_RATE)],
            _per_cent,
            least=10.0,
            bounds=_PER_CENT,
            target=_target(targets, "cache_hit_rate"),
        ),
    ]
    if quality is not None:
        worst = Plotted(lambda point: point.p5 if point.count else None, 0.1, (0.0, 1.0))
        means = samples_of(quality, frame.span, lines.QUALITY)
        found.append(
            chart(
                frame,
                "quality",
                "Quality",
                [
                    PlottedLine("mean score", means, "line-1"),
                    PlottedLine("p5", samples_of(quality, frame.span, worst), "line-2"),
                ],
                figures.score,
                least=0.1,
                bounds=(0.0, 1.0),
                target=_target(targets, "quality"),
            )
        )
    return found


def _of_type(name: str) -> Plotted:
    return Plotted(lambda point: float(point.types.get(name, 0)), 2.0, (0.0, 1e16))


def _throughput(
    frame: Frame, book: SeriesBook[OperationsPoint], span: TrailingSpan
) -> list[Sample]:
    """Return the operations a second, of the window that goes on by what has passed of it."""
    return [
        Sample(
            start_ms + frame.size_ms // 2,
            point.count * SECOND_MS / frame.passed_ms(start_ms),
            point.final,
        )
        for start_ms, point in book.points(span.point_size, span.start_ms, span.end_ms)
    ]


def _earlier(span: TrailingSpan, samples: list[Sample]) -> PlottedLine:
    """Return the line of the span before, moved to where it can be compared."""
    shift_ms = span.start_ms - span.before.start_ms
    moved = [it._replace(at_ms=it.at_ms + shift_ms, final=True) for it in samples]
    return PlottedLine("the span before", moved, "line-before")


def _target(targets: dict[Figure, Target], figure: Figure) -> tuple[float, str] | None:
    target = targets.get(figure)
    return None if target is None else (target.aim, f"target {target_text(target)}")


def _per_cent(value: float | None) -> Quantity:
    if value is None:
        return figures.MISSING
    return Quantity(f"{value:.2f}".rstrip("0").rstrip("."), "%")


def _per_second(value: float | None) -> Quantity:
    return figures.MISSING if value is None else figures.per_second(value, SECOND_MS)


def _plain(value: float | None) -> Quantity:
    return figures.MISSING if value is None else Quantity(figures.count(value))
