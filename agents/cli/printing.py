"""Write to the terminal what is there, and nothing that the terminal would obey.

All commands write through this module. Only what a person asked for as bytes (`deadletters show
--raw`) goes to a pipe or a file as it is, as other consumers of Kafka do it.
"""

import io
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

import typer

from agents.runtime.visible import json_text, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

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


def console(*, stderr: bool = False) -> "Console":
    """Return where to write tables: without colours unless it is a terminal that wants them.

    Text is text: `[red]` in a name is no markup, `:smile:` no picture.
    """
    from agents.cli.visible_console import VisibleConsole

    stream = sys.stderr if stderr else sys.stdout
    file = stream.inner if isinstance(stream, _Visible) else None
    console = VisibleConsole(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH  # a pipe has no width of its own
    return console


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
