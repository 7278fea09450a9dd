"""List, show and redrive dead letters."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from agents.cli.command import FAILED, OK, AsJson, CommandError, run, settings, since_ms
from agents.cli.printing import echo, echo_json, print_table, when, write_raw
from agents.runtime.escaping import json_text, visible

if TYPE_CHECKING:
    from agents.alert.alert_log import DeadLetterLog, StoredDeadLetter
    from agents.cli.redrive import RedriveReport
    from schemas.dead_letters import DeadLetter

HELP = """List what was refused and why; fix it and send it back.

The key of a dead letter is where the record was: topic/partition/offset/index, with - for no index.
A message that could not be delivered is a dead letter too: its key ends in the delivery.

\b
Examples:
  opwatch deadletters list --since 2h
  opwatch deadletters show opwatch.operations/3/1742/-
  opwatch deadletters redrive --reason invalid_operation --through 'jq -c .duration_ms=0'
"""
#: Verdicts are printed up to this many, then counted.
_MAX_PRINTED = 20
#: Characters of a field that `show` prints.
_MAX_FIELD = 400

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="REASON", help="Only those with this reason."),
]


@app.command("list")
def list_(
    *,
    reason: ReasonOption = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only those since then: 90s, 30m, 2h, 1d or ISO 8601."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many, the newest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest last; exit 1 if there is none.

    Examples:
      opwatch deadletters list
      opwatch deadletters list --reason too_old --since 2h
      opwatch deadletters list --json --limit 1000 | jq -r .key
    """
    _check_reason(reason)
    begin_ms = since_ms(since)
    from agents.alert.alert_log import read_dead_letters

    log = run(read_dead_letters(settings(), since_ms=begin_ms))
    letters = [it for it in log.by_key.values() if reason in (None, it.about.reason)]
    if not letters:
        echo("no dead letters" + (" match" if reason or since else ""), err=True)
        raise typer.Exit(FAILED)
    if as_json:
        for letter in letters[-limit:]:
            echo_json(_fields(letter, log))
        return
    _print_table(letters[-limit:], log)
    if len(letters) > limit:
        echo(f"and {len(letters) - limit:,} older ones (--limit)", err=True)


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it.")],
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the refused bytes and nothing else.")
    ] = False,
) -> None:
    """Show a dead letter: the reason, where it came from, and the refused bytes.

    Examples:
      opwatch deadletters show opwatch.operations/3/1742/-
      opwatch deadletters show --raw opwatch.operations/3/1742/7 > bad.json
    """
    from agents.alert.alert_log import read_dead_letters

    log = run(read_dead_letters(settings(), whole=lambda at, _about: at == key))
    letter = log.by_key.get(key)
    if letter is None:
        raise CommandError(f"there is no dead letter {key}: `opwatch deadletters list` lists them.")
    if raw:
        write_raw(letter.value)
        return
    fields = _fields(letter, log) | letter.about.model_dump(exclude_none=True)
    fields = {name: value for name, value in fields.items() if value is not None}
    fields.pop("first_bytes")
    stamp = letter.about.timestamp_ms
    fields["timestamp_ms"] = f"{stamp} ({when(stamp)})"
    width = max(map(len, fields))
    for name, value in fields.items():
        echo(f"{name:<{width}}  {visible(str(value))[:_MAX_FIELD]}")
    echo("")
    echo(_pretty(letter.value))


@app.command()
def redrive(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY", help="As `list` shows them.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All that were not redriven before.")
    ] = False,
    reason: ReasonOption = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="CMD", help="A shell command that fixes each: bytes on stdin, bytes on stdout."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would happen; publish nothing.")
    ] = False,
) -> None:
    """Publish dead letters again to where they came from; each at most once, for ever.

    The bytes go as they are, or as --through fixes them, and keep the operation's id. Refused are
    dead letters that were redriven before, that are truncated, that would be refused again, or
    that happened too long ago to be counted. Exit 1 if any was refused.

    The alert worker tries messages again that could not be delivered (reason undelivered); exit 3
    if no alert worker answers.

    Examples:
      opwatch deadletters redrive opwatch.operations/3/1742/- opwatch.operations/3/1743/-
      opwatch deadletters redrive --reason invalid_operation --through 'jq -c .platform="lever"'
      opwatch deadletters redrive --reason undelivered
      opwatch deadletters redrive --all --dry-run
    """
    _check_reason(reason)
    if bool(keys) + everything + (reason is not None) != 1:
        raise typer.BadParameter("write KEY…, --reason REASON or --all", param_hint="KEY")
    wanted = set(keys or ())

    def chosen(key: str, about: "DeadLetter") -> bool:
        return everything or key in wanted or about.reason == reason

    from agents.cli.redrive import redrive as redrive_letters

    report = run(redrive_letters(settings(), chosen, keys or (), through=through, dry_run=dry_run))
    raise typer.Exit(_print_report(report, dry_run=dry_run, by_key=bool(keys)))


def _print_report(report: "RedriveReport", *, dry_run: bool, by_key: bool) -> int:
    """Print the verdicts and return the exit code."""
    from agents.cli.redrive_checks import NotRedriven, RetryDelivery

    redriven, refused, already = [], [], 0
    for letter, answer in report.verdicts:
        if not isinstance(answer, NotRedriven):
            redriven.append((letter, answer))
            continue
        already += answer.already
        if by_key or not answer.already:  # a letter that was not named may be redriven before
            refused.append((letter, answer))
    verb = "would be redriven" if dry_run else "redriven"
    for letter, answer in redriven[:_MAX_PRINTED]:
        target, sentence = letter.about.topic, ""
        if isinstance(answer, RetryDelivery):
            target, sentence = "its channel", f": {answer.sentence}" if answer.sentence else ""
        echo(f"{letter.key} {verb} to {target}{sentence}")
    for letter, refusal in refused[:_MAX_PRINTED]:
        echo(f"opwatch: {letter.key} {refusal.why}.", err=True)
    for key in report.unknown:
        echo(f"opwatch: there is no dead letter {key}.", err=True)
    if not by_key or len(redriven) > _MAX_PRINTED or len(refused) > _MAX_PRINTED:
        echo(
            f"{len(redriven):,} {verb}, {len(refused):,} refused, {already:,} redriven before",
            err=True,
        )
    return FAILED if refused or report.unknown else OK


def _check_reason(reason: str | None) -> None:
    from schemas.dead_letters import Reason

    if reason is not None and reason not in get_args(Reason):
        reasons = ", ".join(get_args(Reason))
        raise typer.BadParameter(f"{reason!r} is none of {reasons}", param_hint="--reason")


def _fields(letter: "StoredDeadLetter", log: "DeadLetterLog") -> dict[str, Any]:
    redriven_ms = log.redriven.get(letter.key)
    return {
        "key": letter.key,
        "reason": letter.about.reason,
        "detail": letter.about.detail,
        "refused_at": when(letter.refused_at_ms),
        "size_bytes": letter.about.size_bytes,
        "redriven_at": None if redriven_ms is None else when(redriven_ms),
        "first_bytes": first_line(letter.value, 80),
    }


def _print_table(letters: "Sequence[StoredDeadLetter]", log: "DeadLetterLog") -> None:
    print_table(
        ("key", "reason", "detail", "refused at", "redriven", "begins"),
        (
            (
                letter.key,
                letter.about.reason,
                letter.about.detail,
                when(letter.refused_at_ms),
                ("yes" if letter.key in log.redriven else "", "green"),
                first_line(letter.value, 120),
            )
            for letter in letters
        ),
        fold=("detail",),
        cut=("begins",),
    )


def first_line(value: bytes, width: int) -> str:
    """Return the first of the bytes as a line that a terminal shows as it is."""
    line = visible(value[: 4 * width].decode(errors="replace"))
    return line if len(line) <= width else line[: width - 1] + "…"


def _pretty(value: bytes) -> str:
    """Return the bytes as indented JSON, else as text; what a terminal would obey is escaped."""
    try:
        return json_text(json.loads(value), indent=2)
    except (ValueError, RecursionError):
        return visible(value.decode(errors="backslashreplace"), "\n\t")
