"""Publish recorded operations again: at their pace, faster, or flat out."""

import math
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agents.cli.printing import echo
from agents.cli.running import NO, USAGE, Sentence, run, settings

if TYPE_CHECKING:
    from agents.cli.replaying import Outcome

_NO_SPOOL = (
    "what comes from a pipe is kept in a temporary file, to be read twice: set TMPDIR to a folder"
    " with enough space, or name a file"
)
_STDIN = "-"


def replay(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines or CSV; - is stdin.")],
    *,
    speed: Annotated[
        str,
        typer.Option(
            metavar="PACE", help="1: the recorded pace; N: so many times faster; max: flat out."
        ),
    ] = "1",
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="Keep the times: history instead of now.")
    ] = False,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FIELD", help="Which column is which field; repeatable."
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="jsonl or csv, where the name does not say."
        ),
    ] = None,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Exit 0 although there were bad lines.")
    ] = False,
) -> None:
    """Publish recorded operations to `operations`.

    A line of JSON is an operation or an array of them; a row of CSV is one (without an id it gets
    FILE:LINE). Bad lines are told on stderr and left out; exit 1 if there were any.

    Times move so that the last operation is happening when it is sent: at --speed 1 each happens
    when it is sent. With --as-recorded they stay, for history under a fresh OPWATCH_TOPIC_PREFIX.
    Either way the time is also the record's own timestamp, so nothing counts as late.

    Examples:
      opwatch replay monday.jsonl
      opwatch replay monday.jsonl --speed 60
      opwatch replay jobs.csv --speed max --map site=platform --map ms=duration_ms
      zcat archive.gz | opwatch replay - --speed max --as-recorded
    """
    pace = _speed(speed)
    mapping = _mapping(names or [])
    kind = kind or ("csv" if file.lower().endswith(".csv") else "jsonl")
    if kind not in ("jsonl", "csv"):
        raise typer.BadParameter(f"{kind!r} is neither jsonl nor csv", param_hint="--format")
    chosen = settings()

    from agents.cli import replaying
    from agents.cli.recorded import Lines
    from agents.cli.replay_view import View

    lines = Lines(kind, mapping, "stdin" if file == _STDIN else Path(file).name)  # type: ignore[arg-type]  # checked above
    outcome = replaying.Outcome()
    with ExitStack() as closing:
        streams = kind == "jsonl" and (as_recorded or pace == 1)
        opened = _opened(file, closing, may_stream=streams)
        extent = None
        if opened is not None and opened.seekable():
            extent = replaying.extent_of(lines, opened)
            if extent is not None and as_recorded:
                _warn_of_age(extent.first_ms)
        plan = replaying.Plan(pace, as_recorded, extent)
        source = replaying.of_stdin(lines) if opened is None else replaying.of_file(lines, opened)
        size = Path(file).stat().st_size if file != _STDIN else None
        closing.callback(_sum_up, outcome)
        view = closing.enter_context(View(lines, size))
        run(replaying.replay(chosen, source, plan, outcome, view.complain, view.show))
    if outcome.lines == outcome.bad:
        raise Sentence("there was nothing to publish.", NO)
    if outcome.bad and not skip_invalid:
        raise typer.Exit(NO)


def _sum_up(outcome: "Outcome") -> None:
    """Say what was published, also when a signal ended it."""
    if outcome.lines:
        good, bad = outcome.published, outcome.bad
        echo(f"published {good:,} records, left out {bad:,} lines", err=True)


def _opened(file: str, closing: ExitStack, *, may_stream: bool) -> BinaryIO | None:
    """Return the file, seekable; None where stdin is to be read as it comes."""
    if file != _STDIN:
        try:
            return closing.enter_context(Path(file).open("rb"))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Sentence(f"cannot read {file}: {reason}.", USAGE) from None
    if sys.stdin.seekable():
        return sys.stdin.buffer
    if may_stream:
        return None
    try:
        spool = closing.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(sys.stdin.buffer, spool)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Sentence(f"{_NO_SPOOL}: {reason}.") from None
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


def _mapping(names: list[str]) -> dict[str, str]:
    from schemas.operations import Operation

    mapping = {}
    for name in names:
        column, equals, field = name.rpartition("=")
        if not equals or not column:
            raise typer.BadParameter(f"{name!r} is not COLUMN=FIELD", param_hint="--map")
        if field not in Operation.model_fields:
            known = ", ".join(Operation.model_fields)
            raise typer.BadParameter(f"{field!r} is none of {known}", param_hint="--map")
        mapping[column] = field
    return mapping


def _warn_of_age(first_ms: int) -> None:
    from schemas.topics import OPERATIONS

    kept_ms = int(OPERATIONS.config["retention.ms"])
    age_ms = time.time() * 1000 - first_ms
    if age_ms > kept_ms:
        echo(
            f"opwatch: the first operation is {age_ms / 86_400_000:.0f} days old and `operations`"
            f" keeps {kept_ms / 86_400_000:.0f}: Kafka may remove it before it is counted; a"
            " longer retention.ms prevents that.",
            err=True,
        )
