"""Acknowledge an alert: somebody works on it, nobody else is told."""

from typing import Annotated

import typer

from agents.cli.alerts import Fingerprint
from agents.cli.printing import echo
from agents.cli.running import NO, Sentence, run, settings

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who asks; by default the user's name.")
]
Comment = Annotated[
    str, typer.Option("--comment", "-c", metavar="TEXT", help="Why: it stands on record.")
]


def ack(fingerprint: Fingerprint, *, comment: Comment, by: By = None) -> None:
    """Acknowledge the alert that fires now: no more escalation, nobody else is told.

    It holds for this episode: when the alert resolves and opens again, people are told again. Exit
    1 if nothing fires or it was acknowledged before, 3 if no alert worker answers.

    Examples:
      opwatch ack 3f9c --comment 'looking at lever'
      opwatch ack 3f9c -c 'known, see ticket 41' --by ada
    """
    from agents.cli import asking, decisions

    chosen = settings()
    log = run(decisions.read(chosen, prefix=fingerprint))
    name = decisions.fingerprint(log, fingerprint)
    breach = log.newest(name)
    if breach.state == "resolved":
        raise Sentence(
            f"{breach.rule} on {breach.series} does not fire: it has resolved, so there is nothing"
            " to acknowledge.",
            NO,
        )
    asked = asking.command(
        "acknowledge",
        by=asking.asker(by),
        comment=comment,
        fingerprint=name,
        breach_id=breach.id,
    )
    answer = run(asking.ask(chosen, asked, name))
    echo(asking.told(answer).sentence)
