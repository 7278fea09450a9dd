"""Report what the history says, as a table, CSV, JSON, HTML or PNG."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.command import FAILED, CommandError, load_rules, run, settings, since_ms
from agents.cli.db import database_errors
from agents.cli.printing import console, echo, print_table, write_raw

if TYPE_CHECKING:
    from agents.report.table import Report

HELP = """Report what the history in PostgreSQL says, over any span of whole minutes.

\b
platforms    success rate, percentiles and cache of each, beside the span before
operations   the same of each operation
worst        platforms with the lowest success rates
failures     by type
slo          objectives of burn_rate rules, 30 days up to --to and by month: error budget left
alerts       who was notified and who acted, and how long it took
ignored      alerts that people were notified of and nobody acknowledged
pages        messages that asked people to act, by week
quality      scores over time
calibration  how often analyses were right, over time

Percentiles are those of all durations of the span. Exit 1 if there is nothing to report.

\b
Examples:
  opwatch report
  opwatch report platforms --from 7d --operation parse_job_data
  opwatch report slo --format csv > slo.csv
  opwatch report --from 2026-03-01 --to 2026-04-01 -o march.html
  opwatch report failures --platform lever --format json | jq .
"""

#: All operations together: streams/measure/series.py, which takes long to import.
_ALL = "*"
#: What takes less shows no progress.
_SOON_S = 1.0


class Name(StrEnum):
    """What can be reported."""

    PLATFORMS = "platforms"
    OPERATIONS = "operations"
    WORST = "worst"
    FAILURES = "failures"
    SLO = "slo"
    ALERTS = "alerts"
    IGNORED = "ignored"
    PAGES = "pages"
    QUALITY = "quality"
    CALIBRATION = "calibration"


class Form(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    PNG = "png"


def report(  # noqa: PLR0913, RUF100 - an option each
    name: Annotated[
        Name, typer.Argument(metavar="[NAME]", help="One of those above.")
    ] = Name.PLATFORMS,
    *,
    from_: Annotated[
        str,
        typer.Option(
            "--from", metavar="WHEN", help="A span back from --to (24h) or an ISO 8601 time."
        ),
    ] = "24h",
    to: Annotated[
        str | None, typer.Option("--to", metavar="WHEN", help="Where to end; by default now.")
    ] = None,
    operation: Annotated[
        str, typer.Option(metavar="NAME", help="Only of it; * is all of them together.")
    ] = _ALL,
    platform: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of failures: only of it.")
    ] = None,
    least: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of worst: with this many operations.")
    ] = 100,
    months: Annotated[
        int, typer.Option(min=0, max=120, metavar="N", help="Of slo: this many calendar months.")
    ] = 3,
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="FILE", help="Of slo: this rule file.")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="By default the output's suffix says it, else table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default stdout.")
    ] = None,
) -> None:
    """Report what the history in PostgreSQL says, over any span of whole minutes."""
    from agents.report.catalogue import REPORTS, Options
    from agents.report.history import open_history, whole_minutes

    now_ms = int(time.time() * 1000)
    end_ms = now_ms if to is None else since_ms(to, now_ms)
    start_ms = since_ms(from_, end_ms)
    assert start_ms is not None
    assert end_ms is not None
    span = whole_minutes(start_ms, end_ms)
    if span.start >= span.end:
        raise typer.BadParameter("ends before a whole minute has passed", param_hint="--to")
    written = form or _form_of(output)
    if written is Form.PNG and output is None and sys.stdout.isatty():
        raise typer.BadParameter("write where to: -o report.png", param_hint="--output")
    chosen = settings()
    file = load_rules(rules).rules if name is Name.SLO else None
    draws = written in (Form.HTML, Form.PNG)
    options = Options(span, operation, platform, least, months, file, draws)

    async def work() -> "Report":
        with _progress() as show:
            async with open_history(chosen, show) as history:
                return await REPORTS[name.value](history, options)

    found = run(work(), database_errors)
    _write(found, written, output)
    if not found.rows:
        raise typer.Exit(FAILED)


def _form_of(output: Path | None) -> Form:
    suffix = output.suffix[1:].lower() if output else ""
    return Form(suffix) if suffix in ("csv", "json", "html", "png") else Form.TABLE


def _write(found: "Report", form: Form, output: Path | None) -> None:
    if form is Form.TABLE and output is None:
        _print(found)
        return
    content = _content(found, form)
    if output is None:
        if isinstance(content, bytes):
            write_raw(content)
        else:
            echo(content, nl=False)
    else:
        try:
            output.write_bytes(content if isinstance(content, bytes) else content.encode())
        except OSError as error:
            raise CommandError(f"cannot write {output}: {error.strerror}.") from None
    _print_notes(found)


def _content(found: "Report", form: Form) -> str | bytes:
    match form:
        case Form.CSV:
            return found.csv()
        case Form.JSON:
            return "".join(f"{line}\n" for line in found.json_lines())
        case Form.TABLE:
            return "".join("\t".join(cells) + "\n" for cells in found.cells())
    from agents.report import drawing

    return drawing.png(found) if form is Form.PNG else drawing.html(found)


def _print(found: "Report") -> None:
    echo(f"{found.title}, {found.span}\n")
    headings = [column.heading for column in found.columns]
    print_table(
        headings,
        found.cells(),
        right={column.heading for column in found.columns if column.is_right},
        fold={column.heading for column in found.columns if column.kind in ("text", "names")},
    )
    _print_notes(found)


def _print_notes(found: "Report") -> None:
    if not found.rows:
        echo("nothing to report", err=True)
    for note in found.notes:
        echo(f"note: {note}", err=True)


@contextmanager
def _progress() -> "Iterator[Callable[[str], None]]":
    """Yield what shows on a terminal what is done, once it takes longer."""
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda _text: None
        return
    begun_s = time.monotonic()
    status = out.status("")

    def show(text: str) -> None:
        if time.monotonic() - begun_s > _SOON_S:
            status.update(text)
            status.start()

    try:
        yield show
    finally:
        status.stop()
