"""Read the rows of a CSV file by its headings, whatever separates its cells."""

import csv
from typing import Any

from agents.replay.cells import Cell, CommaCell
from agents.replay.encodings import NotText, TextLines, UnusableFile

_SEPARATORS = ",;\t|"
#: A cell of more characters is no cell but a quote that nobody closed.
_MAX_CELL = 1_000_000


class NoRow(ValueError):
    """Lines that are no row, and why."""


class Rows:
    """The rows of a file; a line that cannot be read costs no other.

    Iterate with `next`: what it raises but StopIteration is of one row.
    """

    def __init__(self, lines: TextLines) -> None:
        """Read the headings.

        Raises:
            UnusableFile: the headings cannot be read, or one stands there twice.
        """
        self.blank = 0
        """Blank lines so far."""
        csv.field_size_limit(_MAX_CELL)
        try:
            first = next(lines, "")
        except NotText as error:
            raise UnusableFile(f"the headings of its columns cannot be read: {error}") from None
        if "\r" in first.rstrip("\r\n"):
            raise UnusableFile("its lines end in CR alone: tr '\\r' '\\n' makes lines of them")
        separator = max(_SEPARATORS, key=first.count)
        self._kind = CommaCell if separator == ";" else Cell
        self._lines = lines
        self._read = csv.reader(lines, delimiter=separator, strict=True)
        try:
            headings = next(csv.reader([first], delimiter=separator, strict=True), [])
        except csv.Error as error:
            raise UnusableFile(f"the headings of its columns cannot be read: {error}") from None
        self._headings = [heading.strip() for heading in headings]
        twice = {name for name in self._headings if name and self._headings.count(name) > 1}
        if twice:
            raise UnusableFile(f"two columns have the heading {min(twice)!r}: rename one")

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> dict[str, Any]:
        """Return the next row: the cells that are not empty, by their headings.

        Raises:
            NoRow: it is none.
            NotText: a line of it is not of the encoding.
        """
        began = self._lines.number + 1
        try:
            cells = next(self._read)
            while not cells:
                self.blank += 1
                began = self._lines.number + 1
                cells = next(self._read)
        except csv.Error as error:
            lines = (
                f"lines {began:,} to {self._lines.number:,}: " if self._lines.number > began else ""
            )
            raise NoRow(f"{lines}not CSV: {error}") from None
        surplus = cells[len(self._headings) :]
        if any(surplus):
            raise NoRow(
                f"{len(cells)} cells, but {len(self._headings)} headings:"
                " a cell that contains the separator needs quotes"
            )
        pairs = zip(self._headings, cells, strict=False)
        return {name: self._kind(cell) for name, cell in pairs if name and cell}
