"""Write to the terminal what is there, and nothing that the terminal would obey.

All commands write through this module. Only what a person asked for as bytes (`deadletters show
--raw`) goes to a pipe or a file as it is, as other consumers of Kafka do it.
"""

import io
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

import typer

from agents.runtime.escaping import json_text, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

#: A table's cell, alone or with its style.
Cell = str | tuple[str, str]
SEVERITY_STYLES = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
#: What lays lines out: in sentences and blocks of text, but not in a table's cell.
_LAYOUT = "\n\t"
_PIPE_WIDTH = 100


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Write a text and end the line."""
    typer.echo(visible(text, _LAYOUT), err=err, nl=nl)


def echo_json(value: Any) -> None:
    """Write a value as one line of JSON."""
    typer.echo(json_text(value))


def write_json_lines(values: Iterable[bytes]) -> None:
    """Write records that are JSON in UTF-8, a line each."""
    out = sys.stdout.buffer
    for value in values:
        text = value.decode("utf-8", "replace")
        out.write(visible_json(text).encode() + b"\n")
    out.flush()


def write_request(value: bytes) -> None:
    r"""Write a request or a mail; in JSON an escape such as \u202e is the character itself."""
    text = value.decode("utf-8", "backslashreplace")
    sys.stdout.buffer.write(visible_json(text, keep="\r\n\t").encode())
    sys.stdout.buffer.flush()


def write_raw(value: bytes) -> None:
    """Write bytes as they are; on a terminal with escapes for what it would obey."""
    if sys.stdout.isatty():
        echo(value.decode("utf-8", "backslashreplace"))
        return
    sys.stdout.buffer.write(value)
    sys.stdout.buffer.flush()


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    fold: Collection[str] = (),
    cut: Collection[str] = (),
    right: Collection[str] = (),
    show_header: bool = True,
) -> None:
    """Write a table.

    Args:
        headings: one a column.
        rows: their cells.
        fold: columns whose cells go on in the next line where the terminal is too narrow.
        cut: columns whose cells end in … there.
        right: columns that are aligned to the right.
        show_header: write the headings.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=show_header)
    for heading in headings:
        table.add_column(
            heading,
            no_wrap=heading not in fold and heading not in cut,
            overflow="fold" if heading in fold else "ellipsis",
            justify="right" if heading in right else "left",
        )
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        table.add_row(
            *(
                Text(visible(text), style=style, no_wrap=heading in cut or None)
                for heading, (text, style) in zip(headings, cells, strict=True)
            )
        )
    console().print(table)


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Write names and their values, a line each; a value may have several lines."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(Text(visible(name), style="dim"), Text(visible(value, "\n")))
    console().print(table)


def when(epoch_ms: int) -> str:
    """Return a time for people, UTC."""
    return _formatted(epoch_ms, "%Y-%m-%d %H:%M:%S")


def day_and_time(epoch_ms: int) -> str:
    """Return a time for people without its year, UTC."""
    return _formatted(epoch_ms, "%d %b %H:%M:%S")


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[float], None]]:
    """Yield what shows on stderr how much is done, from 0 to 1; nothing without a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    out = console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as progress:
        task = progress.add_task(text, total=1.0)
        yield lambda share: progress.update(task, completed=share)


def console(*, stderr: bool = False) -> "Console":
    """Return where to write tables: without colours unless it is a terminal that wants them."""
    stream = sys.stderr if stderr else sys.stdout
    file = stream.inner if isinstance(stream, _Visible) else None
    console = visible_console(file=file, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH  # a pipe has no width of its own
    return console


def visible_console(**options: Any) -> "Console":
    """Return a console that writes escapes for what a terminal would obey.

    The control sequences that Rich makes pass. Text is text: `[red]` in a name is no markup,
    `:smile:` no picture.
    """
    from rich.console import Console
    from rich.segment import Segment

    class VisibleConsole(Console):
        def render(
            self, renderable: "RenderableType", options: "ConsoleOptions | None" = None
        ) -> "Iterable[Segment]":
            for segment in super().render(renderable, options):
                text = segment.text
                shown = text if segment.control else visible(text, "\n")
                yield segment if shown == text else Segment(shown, segment.style)

    return VisibleConsole(highlight=False, markup=False, emoji=False, **options)


class _Visible(io.TextIOBase):
    """A stream that writes escapes for what cannot be seen, as of an argument in a usage error."""

    def __init__(self, inner: TextIO) -> None:
        self.inner = inner

    def write(self, text: str) -> int:
        self.inner.write(visible(text, _LAYOUT))
        return len(text)

    def flush(self) -> None:
        self.inner.flush()

    def isatty(self) -> bool:
        return self.inner.isatty()

    def fileno(self) -> int:
        return self.inner.fileno()

    def writable(self) -> bool:
        return True

    @property
    def buffer(self) -> Any:
        return self.inner.buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io's has a setter
        return self.inner.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.inner.errors


def guard_streams() -> None:
    """Let what libraries write on stdout and stderr pass through the same escapes, once."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, _Visible(stream))


def _formatted(epoch_ms: int, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC).strftime(pattern)
    except (ValueError, OverflowError, OSError):
        return f"{epoch_ms} ms"
