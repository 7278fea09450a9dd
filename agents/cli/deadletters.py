"""List, show and redrive what was refused."""

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from agents.cli.moments import since_ms
from agents.cli.printing import echo, echo_json, write_raw
from agents.cli.running import NO, OK, Sentence, run, settings
from agents.runtime.visible import visible

if TYPE_CHECKING:
    from agents.cli.redriving import Report
    from schemas.dead_letters import DeadLetter

HELP = """See what was refused and why; send it back mended.

A dead letter's key says where it stood: topic/partition/offset/index, with - for no index. A
message that could not be delivered is one too: its key ends in the delivery.

\b
Examples:
  opwatch deadletters list --since 2h
  opwatch deadletters show opwatch.operations/3/1742/-
  opwatch deadletters redrive --reason invalid_operation --through 'jq -c .duration_ms=0'
"""
#: Of more refusals than this, only their number by reason is told.
TELL = 20
#: Characters of a field.
SHOW = 400

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", metavar="REASON", help="Only those refused for this reason."),
]


@app.command("list")
def list_(
    *,
    reason: ReasonOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Only those refused since: 90s, 30m, 2h, 1d or ISO 8601."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """List what was refused, the newest last; exit 1 where there is nothing.

    Examples:
      opwatch deadletters list
      opwatch deadletters list --reason too_old --since 2h
      opwatch deadletters list --json --limit 1000 | jq -r .key
    """
    _known(reason)
    begin = since_ms(since)
    from agents.cli import letters, letters_view

    found = run(letters.read(settings(), since_ms=begin))
    matching = [letter for letter in found.by_key.values() if reason in (None, letter.about.reason)]
    if not matching:
        echo("no dead letters" + (" match" if reason or since else ""), err=True)
        raise typer.Exit(NO)
    shown = matching[-limit:]
    if as_json:
        for letter in shown:
            echo_json(letters_view.summary(letter, found))
        return
    letters_view.print_table(shown, found)
    if len(matching) > len(shown):
        echo(f"and {len(matching) - len(shown):,} older ones (--limit)", err=True)


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `list` shows it.")],
    *,
    raw: Annotated[
        bool, typer.Option("--raw", help="The refused bytes and nothing else, on stdout.")
    ] = False,
) -> None:
    """Show one dead letter: why, where from, and the refused bytes.

    Examples:
      opwatch deadletters show opwatch.operations/3/1742/-
      opwatch deadletters show --raw opwatch.operations/3/1742/7 > bad.json
    """
    from agents.cli import letters, letters_view

    found = run(letters.read(settings(), whole=lambda at, _about: at == key))
    letter = found.by_key.get(key)
    if letter is None:
        raise Sentence(f"there is no dead letter {key}: `opwatch deadletters list` shows them.")
    if raw:
        write_raw(letter.value)
        return
    fields = letters_view.summary(letter, found) | letter.about.model_dump(exclude_none=True)
    fields = {name: value for name, value in fields.items() if value is not None}
    fields.pop("first_bytes")
    stamp = letter.about.timestamp_ms
    fields["timestamp_ms"] = f"{stamp} ({letters.when(stamp)})"
    width = max(map(len, fields))
    for name, value in fields.items():
        echo(f"{name:<{width}}  {visible(str(value))[:SHOW]}")
    echo("")
    echo(letters_view.pretty(letter.value))


@app.command()
def redrive(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY…", help="As `list` shows them.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All that were not redriven yet.")
    ] = False,
    reason: ReasonOption = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="CMD", help="A shell command that mends each: bytes on stdin, bytes on stdout."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; publish nothing.")
    ] = False,
) -> None:
    """Publish dead letters again where they came from; each at most once, for ever.

    The bytes go as they are, or as --through mends them, and keep the operation's id. Refused is
    what was redriven before, what was kept in part only, what would be refused again, and what
    happened too long ago to be counted. Exit 1 if any was refused.

    A message that could not be delivered (reason undelivered) is tried again by the alert worker;
    exit 3 if none answers.

    Examples:
      opwatch deadletters redrive opwatch.operations/3/1742/- opwatch.operations/3/1743/-
      opwatch deadletters redrive --reason invalid_operation --through 'jq -c .platform="lever"'
      opwatch deadletters redrive --reason undelivered
      opwatch deadletters redrive --all --dry-run
    """
    _known(reason)
    if bool(keys) + everything + (reason is not None) != 1:
        raise typer.BadParameter("say which: KEY…, --reason REASON or --all", param_hint="KEYS")
    wanted = set(keys or ())

    def chosen(key: str, about: "DeadLetter") -> bool:
        return everything or key in wanted or about.reason == reason

    from agents.cli import redriving

    report = run(
        redriving.redrive(settings(), chosen, keys or (), through=through, dry_run=dry_run)
    )
    raise typer.Exit(_tell(report, dry_run=dry_run, by_key=bool(keys)))


def _tell(report: "Report", *, dry_run: bool, by_key: bool) -> int:
    from agents.cli.redrive import Again, Refused

    gone = [
        (letter, answer) for letter, answer in report.verdicts if not isinstance(answer, Refused)
    ]
    refused = [
        (letter, answer) for letter, answer in report.verdicts if isinstance(answer, Refused)
    ]
    already = sum(answer.already for _, answer in refused)
    if not by_key:  # they were not asked for by name: that is no failure
        refused = [(letter, answer) for letter, answer in refused if not answer.already]
    did = "would be redriven" if dry_run else "redriven"
    for letter, answer in gone[:TELL]:
        said = f": {answer.sentence}" if isinstance(answer, Again) and answer.sentence else ""
        target = "its channel" if isinstance(answer, Again) else letter.about.topic
        echo(f"{letter.key} {did} to {target}{said}")
    for letter, refusal in refused[:TELL]:
        echo(f"opwatch: {letter.key} {refusal.why}.", err=True)
    for key in report.unknown:
        echo(f"opwatch: there is no dead letter {key}.", err=True)
    if not by_key or len(gone) > TELL or len(refused) > TELL:
        echo(
            f"{len(gone):,} {did}, {len(refused):,} refused, {already:,} redriven before", err=True
        )
    return NO if refused or report.unknown else OK


def _known(reason: str | None) -> None:
    from schemas.dead_letters import Reason

    if reason is not None and reason not in get_args(Reason):
        known = ", ".join(get_args(Reason))
        raise typer.BadParameter(f"{reason!r} is none of {known}", param_hint="--reason")
