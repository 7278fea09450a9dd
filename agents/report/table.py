"""Hold what a report found: columns, rows, notes and lines to draw; write it as CSV or JSON."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from schemas.numbers import plain

Kind = Literal[
    "text",
    "count",
    "plain",
    "percent",
    "points",
    "ms",
    "number",
    "time",
    "day",
    "span",
    "yes",
    "names",
]
Row = dict[str, Any]
NOTHING = "–"
_SECOND_MS = 1000
_RIGHT = frozenset({"count", "plain", "percent", "points", "ms", "number", "span"})


class ReportSpan(NamedTuple):
    """start <= t < end, UTC."""

    start: datetime
    end: datetime

    @property
    def before(self) -> "ReportSpan":
        """The span of the same length that ends where this one starts."""
        return ReportSpan(self.start - (self.end - self.start), self.start)

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"


class Column(NamedTuple):
    """What a report says of each row."""

    name: str
    """In CSV and JSON."""
    heading: str
    """For people."""
    kind: Kind = "text"

    @property
    def is_right(self) -> bool:
        """Whether its cells are numbers, and so stand to the right."""
        return self.kind in _RIGHT

    def text(self, value: Any) -> str:
        """Return a cell for people."""
        return NOTHING if value is None else _TEXTS[self.kind](value)


class Line(NamedTuple):
    """A line of a chart."""

    label: str
    times: list[datetime]
    values: list[float | None]


def lines_of(rows: Iterable[Any], label: str, value: str) -> list[Line]:
    """Return a line for each label that rows have, by their `start_at`."""
    points: dict[str, list[tuple[datetime, float | None]]] = {}
    for row in rows:
        points.setdefault(row[label], []).append((row["start_at"], row[value]))
    lines = []
    for name, line in sorted(points.items()):
        line.sort(key=lambda point: point[0])
        lines.append(Line(name, [at for at, _ in line], [number for _, number in line]))
    return lines


class Chart(NamedTuple):
    """Lines over time."""

    title: str
    unit: str
    lines: list[Line]


@dataclass(kw_only=True)
class Report:
    """What was found, ready to be shown."""

    name: str
    title: str
    span: ReportSpan
    columns: list[Column]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)
    """Sentences that a reader of the figures should know."""
    charts: list[Chart] = field(default_factory=list)

    def cells(self) -> Iterator[list[str]]:
        """Yield the rows for people."""
        for row in self.rows:
            yield [column.text(row.get(column.name)) for column in self.columns]

    def csv(self) -> str:
        """Return a heading and the rows, times in ISO 8601, spans in seconds."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        for row in self.rows:
            writer.writerow([_csv_cell(row.get(column.name)) for column in self.columns])
        return out.getvalue()

    def json_lines(self) -> Iterator[str]:
        """Yield the rows, an object a line."""
        for row in self.rows:
            plain = {column.name: _plain(row.get(column.name)) for column in self.columns}
            yield json.dumps(plain, ensure_ascii=False)


def span_text(span: timedelta) -> str:
    """Return a span for people: 3 h 12 min."""
    seconds = round(span.total_seconds())
    minutes, seconds = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join([f"{number:,} {unit}" for number, unit in parts if number][:2]) or "0 s"


def _duration_text(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= _SECOND_MS else plain(milliseconds, 3)


_TEXTS: dict[Kind, Callable[[Any], str]] = {
    "text": str,
    "count": "{:,}".format,
    "plain": plain,
    "percent": "{:.2f}".format,
    "points": "{:+.2f}".format,
    "ms": _duration_text,
    "number": "{:.3f}".format,
    "time": "{:%Y-%m-%d %H:%M}".format,
    "day": "{:%Y-%m-%d}".format,
    "span": span_text,
    "yes": {True: "yes", False: "no"}.__getitem__,
    "names": ", ".join,
}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return value


def _csv_cell(value: Any) -> Any:
    """Return a cell; a text that a spreadsheet would compute begins with an apostrophe."""
    plain = _plain(value)
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, list):
        return " ".join(map(str, plain))
    if isinstance(plain, str) and plain[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{plain}"
    return plain
