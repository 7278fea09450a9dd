"""Publish recorded operations again: at their pace, faster, or flat out."""

import math
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agents.cli.command import FAILED, USAGE, CommandError, run, settings
from agents.cli.printing import console, echo

if TYPE_CHECKING:
    from agents.replay.playback import ReplayCounts
    from agents.replay.recorded_lines import InvalidLine, RecordedOperations
    from agents.replay.recordings import RecordingReader

_NO_SPOOL = (
    "cannot copy stdin to a temporary file, to read it twice: set TMPDIR to a folder with enough"
    " space, or name a file"
)
#: Invalid lines are printed up to this many, then counted.
_MAX_PRINTED = 20
_STDIN = "-"


def replay(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="JSON lines, CSV or an access log; - is stdin.")
    ],
    *,
    speed: Annotated[
        str,
        typer.Option(
            metavar="PACE", help="1: as recorded; N: N times faster; max: as fast as possible."
        ),
    ] = "1",
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="Keep the recorded times: history instead of now.")
    ] = False,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="MAPPING",
            help="COLUMN=FIELD, the field that a column holds, or FIELD=EXPRESSION, what it is"
            " computed from; repeatable.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="jsonl, csv, or access[:NAME,…] with names of what follows the user agent; by"
            " default as the file's name ends or its first line begins.",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Such as cp1252; by default as the file's first bytes say, or UTF-8.",
        ),
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Exit 0 even if lines were left out.")
    ] = False,
) -> None:
    """Publish recorded operations to `operations`.

    A line of JSON is an operation or an array of operations; a row of CSV is an operation; so is a
    line of an access log in the common or combined format. Without an id it gets FILE:LINE (JSON:
    only with --map). Lines that cannot be published are printed on stderr and left out; exit 1 if
    there are any. At the end stands what became of all lines.

    The times are moved so that the last operation happens when it is published; at --speed 1 every
    operation does. With --as-recorded they stay, for history under a new OPWATCH_TOPIC_PREFIX. The
    timestamp of the record is the same time, so no operation is late.

    In expressions stand columns (request.uri: of an object in a line of JSON), constants,
    + - * / %, comparisons, in, and, or, not, `a if condition else b`, and the functions number,
    text, lower, upper, path (without the query), template (ids as {id}) and column('any name').

    A line of an access log has the columns host, user, time, request, method, path, query,
    protocol, status, bytes, referer and user_agent. Unless --map says otherwise its operation is
    the method and the template of the path, its success status < 500, and its duration_ms what
    follows by the name request_time, T (seconds) or D (microseconds).

    Examples:
      opwatch replay monday.jsonl --speed 60
      opwatch replay jobs.csv --speed max --map site=platform --map 'duration_ms=seconds*1000'
      opwatch replay access.log --format access:request_time --speed max
      opwatch replay nginx.json --map time=occurred_at --map "operation='GET ' + template(uri)"
        --map 'duration_ms=request_time*1000' --map 'success=status<500' --speed max
      zcat archive.gz | opwatch replay - --speed max --as-recorded
    """
    pace = _speed(speed)
    from agents.replay import encodings, formats, playback
    from agents.replay.recordings import RecordingReader

    if encoding is not None and not encodings.is_encoding(encoding):
        raise typer.BadParameter(f"there is no encoding {encoding!r}", param_hint="--encoding")
    path = None if file == _STDIN else Path(file)
    try:
        recording = formats.recording(kind or formats.guessed(path), mapping or ())
    except formats.WrongMapping as error:
        raise typer.BadParameter(str(error), param_hint="--map") from None
    except formats.WrongFormat as error:
        raise typer.BadParameter(str(error), param_hint="--format") from None
    chosen = settings()
    counts = playback.ReplayCounts()
    with ExitStack() as closing:
        streams = recording.kind != "csv" and encoding is None and (as_recorded or pace == 1)
        opened = _opened(file, closing, may_stream=streams)
        size = path.stat().st_size if path else None
        span = None
        try:
            if opened is not None and opened.seekable():
                opened, encoding = encodings.in_utf8(opened, encoding)
                closing.callback(opened.close)
            reader = RecordingReader(
                recording, path.name if path else "stdin", encoding or encodings.UTF_8
            )
            if opened is not None and opened.seekable():
                span = reader.span_of(opened)
        except encodings.UnusableFile as error:
            raise CommandError(f"cannot read {file}: {error}.", USAGE) from None
        if span is not None and as_recorded:
            _warn_of_age(span.first_ms)
        plan = playback.ReplayPlan(pace, as_recorded, span)
        source = reader.read_stdin() if opened is None else _of_file(reader, opened)
        closing.callback(_print_counts, counts, reader)
        progress = closing.enter_context(_ReplayProgress(reader, size))
        run(playback.replay(chosen, source, plan, counts, progress.report, progress.show))
    if counts.lines == counts.invalid:
        raise CommandError("there was nothing to publish.")
    if counts.invalid and not skip_invalid:
        raise typer.Exit(FAILED)


class _ReplayProgress:
    """A progress bar and the invalid lines, on stderr; without a terminal only the lines."""

    def __init__(self, reader: "RecordingReader", size: int | None) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        out = console(stderr=True)
        self._reader = reader
        self._invalid = 0
        self._began_s = time.monotonic()
        self._shown_s = 0.0
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=size)

    def __enter__(self) -> "_ReplayProgress":
        self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._invalid > _MAX_PRINTED:
            self._print(f"… and {self._invalid - _MAX_PRINTED:,} more invalid lines.")
        self._progress.__exit__(None, None, None)

    def report(self, line: "InvalidLine") -> None:
        self._invalid += 1
        if self._invalid <= _MAX_PRINTED:
            self._print(f"line {line.number}: {line.why}.")

    def show(self, counts: "ReplayCounts") -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s < 0.1:
            return
        self._shown_s = now_s
        rate = counts.published / max(now_s - self._began_s, 0.1)
        text = f"{counts.published:,} records, {rate:,.0f}/s"
        self._progress.update(self._task, completed=self._reader.consumed, description=text)

    def _print(self, text: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(f"opwatch: {text}"), soft_wrap=True)


def _print_counts(counts: "ReplayCounts", reader: "RecordingReader") -> None:
    """Print what became of each line, also when a signal ended it."""
    if not counts.lines:
        return
    parts = [f"published {counts.published:,}", f"left out {counts.invalid:,}"]
    if counts.unknown:
        parts.append(f"not acknowledged {counts.unknown:,}")
    blank = f" (and {reader.blank:,} blank)" if reader.blank else ""
    echo(f"read {counts.lines:,} lines{blank}: {', '.join(parts)}", err=True)
    if reader.in_seconds:
        echo(f"opwatch: {reader.in_seconds:,} times were numbers of seconds", err=True)
    if counts.behind:
        echo(
            f"opwatch: {counts.behind:,} lines happened long before lines above them: sort the"
            " file by time, or their windows may be closed (dead letters, window_expired).",
            err=True,
        )


async def _of_file(
    reader: "RecordingReader", file: BinaryIO
) -> "AsyncIterator[RecordedOperations | InvalidLine]":
    for line in reader.read(file):
        yield line


def _opened(file: str, closing: ExitStack, *, may_stream: bool) -> BinaryIO | None:
    """Return the file, seekable; None if stdin is to be read as it arrives."""
    if file != _STDIN:
        try:
            return closing.enter_context(Path(file).open("rb"))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CommandError(f"cannot read {file}: {reason}.", USAGE) from None
    if sys.stdin.seekable():
        return sys.stdin.buffer
    if may_stream:
        return None
    try:
        spool = closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(sys.stdin.buffer, spool)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"{_NO_SPOOL}: {reason}.") from None
    spool.seek(0)
    return spool


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed < math.inf:
        raise typer.BadParameter(
            f"{text!r} is neither a number from 1 on nor max", param_hint="--speed"
        )
    return speed


def _warn_of_age(first_ms: int) -> None:
    from schemas.topics import OPERATIONS

    retention_ms = int(OPERATIONS.config["retention.ms"])
    age_ms = time.time() * 1000 - first_ms
    if age_ms > retention_ms:
        echo(
            f"opwatch: the first operation is {age_ms / 86_400_000:.0f} days old, and `operations`"
            f" keeps records for {retention_ms / 86_400_000:.0f} days: Kafka may remove it before"
            " it is counted. A longer retention.ms of the topic prevents that.",
            err=True,
        )
