"""List alerts as they stand, and show one."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.printing import echo, echo_json
from agents.cli.running import NO, run, settings

if TYPE_CHECKING:
    from streams.audit.status import AlertStatus

HELP = """See what fires, and who was told.

An alert is a rule on a series; its fingerprint names it for ever. The first characters of one are
enough wherever one is asked for, four at least.

\b
Examples:
  opwatch alerts list
  opwatch alerts show 3f9c
  opwatch why 3f9c                 why somebody was told, or was not
"""
#: What resolved in the last hour is listed too.
RECENT_MS = 3_600_000

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

Fingerprint = Annotated[
    str, typer.Argument(metavar="FINGERPRINT", help="As `alerts list` shows it, or its beginning.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One object a line.")]


@app.command("list")
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what resolved more than an hour ago.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List what fires, is acknowledged, is silenced, or resolved in the last hour.

    What needs somebody comes first. Exit 1 where there is nothing.

    Examples:
      opwatch alerts list
      opwatch alerts list --all --json | jq -r 'select(.severity == "critical") | .fingerprint'
    """
    from agents.cli import alerts_view, decisions
    from streams.audit.status import alert_statuses

    now_ms = int(time.time() * 1000)
    found = alert_statuses(run(decisions.read(settings())), now_ms)
    shown = [one for one in found if everything or _recent(one, now_ms)]
    if not shown:
        hint = "; --all shows what did" if found else ""
        echo(f"nothing fires{hint}", err=True)
        raise typer.Exit(NO)
    if not as_json:
        alerts_view.print_table(shown)
        return
    for one in shown:
        echo_json(alerts_view.fields(one))


@app.command()
def show(fingerprint: Fingerprint, *, as_json: AsJson = False) -> None:
    """Show one alert: the evidence, exemplars, who it is routed to, and who was told.

    Examples:
      opwatch alerts show 3f9c
      opwatch alerts show 3f9c --json | jq .breach.evidence
    """
    from agents.cli import alerts_view, decisions
    from streams.audit.status import alert_status

    now_ms = int(time.time() * 1000)
    log = run(decisions.read(settings(), prefix=fingerprint))
    found = alert_status(log, decisions.fingerprint(log, fingerprint), now_ms)
    if not as_json:
        alerts_view.print_one(found, now_ms)
        return
    body = alerts_view.fields(found) | {"breach": found.breach.model_dump(mode="json")}
    echo_json(body)


def _recent(one: "AlertStatus", now_ms: int) -> bool:
    resolved_ms = one.breach.resolved_ms
    return one.state != "resolved" or (resolved_ms or 0) >= now_ms - RECENT_MS
