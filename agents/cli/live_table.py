"""Show the newest window of each series as a table for the terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from agents.runtime.escaping import visible
from schemas.aggregates import Aggregate, QualityAggregate
from schemas.numbers import plain
from schemas.series import Window, WindowSize
from schemas.spans import HOUR_MS, MINUTE_MS
from streams.measure.series import series_name
from streams.quality.score_series import SCORE_DIMENSIONS

#: A window of fewer operations is not painted red: it proves too little.
ENOUGH = 20
#: A success rate below this is painted red.
BAD_RATE = 0.9
#: So is a mean score below this.
BAD_SCORE = 0.7
#: A series whose newest window is older than the newest of all by this many is dimmed.
STALE_WINDOWS = 3
#: Types of failures below the table.
FAILURES_SHOWN = 5
#: A terminal of fewer columns than NARROW shows fewer figures; from WIDE on cells are padded.
NARROW = 92
WIDE = 112
_TREND_SIZE = "1h"
_LEVELS = {"low": 0, "medium": 1, "high": 2}


Shown = Aggregate | QualityAggregate


class SeriesLine(NamedTuple):
    """The newest window of a series, and its newest trend, which only larger windows have."""

    aggregate: Shown
    trend: str | None


class LiveTable:
    """The newest window of each series, as a table; aggregates may come in any order."""

    def __init__(self, size: WindowSize = "1m") -> None:
        self.size = size
        self.seen = 0
        self._newest: dict[str, Shown] = {}
        self._trends: dict[str, Shown] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def update(self, aggregate: Shown) -> None:
        """Add an aggregate; older windows and smaller revisions change nothing."""
        self.seen += 1
        name = name_of(aggregate)
        if aggregate.window.size == self.size:
            _keep_newer(self._newest, name, aggregate)
        if aggregate.window.size == _TREND_SIZE and aggregate.trend is not None:
            _keep_newer(self._trends, name, aggregate)

    def lines(self) -> list[SeriesLine]:
        """Return a line for each series, by operation, then platform, then confidence or model."""
        return [
            SeriesLine(aggregate, _verdict(aggregate) or _verdict(self._trends.get(name)))
            for name, aggregate in sorted(self._newest.items(), key=lambda item: _order(item[1]))
        ]

    def renderable(self, max_rows: int | None = None, width: int = 100) -> Table:
        """Return the table; of more than max_rows series those with the most operations."""
        return render(self.lines(), self.size, max_rows=max_rows, width=width)


def name_of(aggregate: Shown) -> str:
    """Return the name of the aggregate's series."""
    series: Any = aggregate.series
    if hasattr(series, "dimension"):
        label = ("platform", series.platform) if series.platform else ("model", series.model)
        return f"{series.dimension}:{series_name(series.operation, *label)}"
    if series.platform is not None:
        return series_name(series.operation, "platform", series.platform)
    return series_name(series.operation, "confidence", series.confidence)


def render(
    lines: Sequence[SeriesLine], size: WindowSize, *, max_rows: int | None = None, width: int = 100
) -> Table:
    """Return the lines as a table.

    Args:
        lines: in the order they are to be shown.
        size: of their windows.
        max_rows: show no more than these, the ones with the most operations.
        width: of the terminal, in characters.
    """
    shown = _busiest(lines, max_rows)
    headings = _SCORE_HEADINGS if lines and _is_score(lines[0].aggregate) else _HEADINGS
    spared = _SPARED if width < NARROW else ()
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0) if width >= WIDE else 0,
        show_edge=False,
        caption=_caption(lines, shown, size),
        caption_justify="left",
        caption_style="dim",
    )
    for name in (heading for heading in headings if heading not in spared):
        heading = f"{size} from" if name == "from" else name
        # Rich narrows the columns that may wrap: only these two.
        table.add_column(
            heading,
            no_wrap=name not in ("operation", "by"),
            justify="left" if name in _WORDS else "right",
        )
    newest = max((line.aggregate.window.start_ms for line in lines), default=0)
    before = None
    for line in shown:
        aggregate = line.aggregate
        cells = _score_cells(line) if _is_score(aggregate) else _cells(line)
        block = getattr(aggregate.series, "dimension", None), aggregate.series.operation
        if block == before:
            cells["operation"] = Text("")
        before = block
        age = newest - aggregate.window.start_ms
        span = aggregate.window.end_ms - aggregate.window.start_ms
        table.add_row(
            *(cell for name, cell in cells.items() if name not in spared),
            style="dim" if age >= STALE_WINDOWS * span else None,
        )
    return table


_HEADINGS = (
    "operation", "by", "from", "count", "success", "p50 ms", "p95 ms", "p99 ms", "cache", "trend",
    "final",
)  # fmt: skip
_SCORE_HEADINGS = (
    "dimension", "operation", "by", "from", "count", "mean", "p5", "p50", "not good", "bad",
    "trend", "final",
)  # fmt: skip
_WORDS = ("dimension", "operation", "by", "from", "trend", "final")
_SPARED = ("p50 ms", "p50", "final")


def _is_score(aggregate: Any) -> bool:
    return hasattr(aggregate.series, "dimension")


def _score_cells(line: SeriesLine) -> dict[str, Text]:
    aggregate: Any = line.aggregate
    series = aggregate.series
    total = series.platform is None and series.model is None
    bad = aggregate.mean < BAD_SCORE and aggregate.count >= ENOUGH
    operation = "all operations" if series.operation == "*" else series.operation
    return {
        "dimension": Text(series.dimension),
        "operation": Text(visible(operation), style="bold", no_wrap=True, overflow="ellipsis"),
        "by": Text(visible(series.platform or series.model or ""), overflow="ellipsis"),
        "from": Text(start(aggregate.window)),
        "count": Text(number(aggregate.count), style="bold" if total else ""),
        "mean": Text(f"{aggregate.mean:.3f}", style="red" if bad else ""),
        "p5": Text(f"{aggregate.p5:.3f}"),
        "p50": Text(f"{aggregate.p50:.3f}"),
        "not good": Text(percent(aggregate.below_good)),
        "bad": Text(percent(aggregate.below_acceptable)),
        "trend": _trend(line.trend),
        "final": Text("yes" if aggregate.final else "…"),
    }


def _cells(line: SeriesLine) -> dict[str, Text]:
    aggregate: Any = line.aggregate
    series, durations, cache = aggregate.series, aggregate.duration_ms, aggregate.cache
    total = series.platform is None and series.confidence is None
    bad = aggregate.success_rate < BAD_RATE and aggregate.count >= ENOUGH
    by = series.platform or (f"{series.confidence} confidence" if series.confidence else "")
    operation = "all operations" if series.operation == "*" else series.operation
    return {
        "operation": Text(visible(operation), style="bold", no_wrap=True, overflow="ellipsis"),
        "by": Text(visible(by), no_wrap=True, overflow="ellipsis"),
        "from": Text(start(aggregate.window)),
        "count": Text(number(aggregate.count), style="bold" if total else ""),
        "success": Text(percent(aggregate.success_rate), style="red" if bad else ""),
        "p50 ms": Text(milliseconds(durations.p50)),
        "p95 ms": Text(milliseconds(durations.p95)),
        "p99 ms": Text(milliseconds(durations.p99)),
        "cache": Text("–" if cache.hit_rate is None else percent(cache.hit_rate)),
        "trend": _trend(line.trend),
        "final": Text("yes" if aggregate.final else "…"),
    }


def _trend(verdict: str | None) -> Text:
    if verdict is None or verdict == "insufficient_data":
        return Text("–", style="dim")
    return Text(verdict, style={"degrading": "red", "improving": "green"}.get(verdict, ""))


def _verdict(aggregate: Shown | None) -> str | None:
    return aggregate.trend.verdict if aggregate and aggregate.trend else None


def _busiest(lines: Sequence[SeriesLine], max_rows: int | None) -> Sequence[SeriesLine]:
    if max_rows is None or len(lines) <= max_rows:
        return lines
    ranked = sorted(range(len(lines)), key=lambda at: -lines[at].aggregate.count)
    return [lines[at] for at in sorted(ranked[:max_rows])]


def _caption(
    lines: Sequence[SeriesLine], shown: Sequence[SeriesLine], size: WindowSize
) -> str | None:
    if not lines:
        return f"no {size} windows yet"
    captions = [_failures(shown)]
    if len(shown) < len(lines):
        hidden = len(lines) - len(shown)
        captions.append(f"… and {hidden} series with fewer operations (--series, --json)")
    return "\n".join(filter(None, captions)) or None


def _failures(lines: Sequence[SeriesLine]) -> str | None:
    """Return the most frequent failures of the line with the most, the first of equals.

    Of scores: the findings of the results that are not good.
    """
    worst: Any = max(lines, key=lambda line: _failed(line.aggregate)).aggregate
    failures = worst.findings if _is_score(worst) else worst.failures_by_type
    if failures is None or not failures.most_frequent:
        return None
    top = failures.most_frequent[:FAILURES_SHOWN]
    names = [f"{visible(failure.name)} {number(failure.count)}" for failure in top]
    if others := _failed(worst) - sum(failure.count for failure in top):
        names.append(f"others {number(others)}")
    what = "findings" if _is_score(worst) else "failures"
    return f"{what} of {visible(name_of(worst))}: {', '.join(names)}"


def _failed(aggregate: Any) -> int:
    failed: int = aggregate.count - aggregate.good if _is_score(aggregate) else aggregate.failures
    return failed


def _keep_newer(newest: dict[str, Shown], name: str, new: Shown) -> None:
    old = newest.get(name)
    if old is None or _version(new) >= _version(old):
        newest[name] = new


def _version(aggregate: Shown) -> tuple[int, int, bool]:
    return aggregate.window.start_ms, aggregate.revision, aggregate.final


def _order(aggregate: Shown) -> tuple[object, ...]:
    series: Any = aggregate.series
    if _is_score(aggregate):
        place = SCORE_DIMENSIONS.index(series.dimension)
        by = bool(series.model), series.platform or series.model or ""
        return place, series.operation != "*", series.operation, *by
    level = -1 if series.confidence is None else _LEVELS[series.confidence]
    # A total comes before its breakdowns, all operations before each of them.
    return series.operation != "*", series.operation, level, series.platform or ""


def percent(ratio: float) -> str:
    """Return a ratio in per cent; never rounded up to 100 nor down to 0."""
    if ratio in (0.0, 1.0):
        return f"{ratio:.0%}"
    return f"{min(max(ratio * 100, 0.01), 99.99):.2f}%"


def milliseconds(value: float) -> str:
    """Return a duration in at most six characters; from a minute on with its unit."""
    if value >= HOUR_MS:
        return f"{plain(value / HOUR_MS, 4)}h"
    if value >= MINUTE_MS:
        return f"{value / 1000:.0f}s"
    if value >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def number(count: int) -> str:
    """Return a count in at most ten characters."""
    return f"{count:,}" if count < 10_000_000 else f"{count / 1e6:,.1f}M"


def start(window: Window) -> str:
    """Return when a window begins, UTC: the day of long ones, the minute of others."""
    try:
        begins = datetime.fromtimestamp(window.start_ms / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return f"{window.start_ms} ms"
    return begins.strftime("%d %b" if window.size in ("24h", "7d") else "%H:%M")
