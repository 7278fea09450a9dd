"""Look at the channels, send a test message, show what would go out."""

import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.ack import By
from agents.cli.alerts import AsJson
from agents.cli.printing import console, echo, echo_json, write_request
from agents.cli.running import NO, Sentence, run, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.breaches import Breach
    from schemas.channels import Channel
    from schemas.rule_file import RuleFile

HELP = """Look at the channels of the rule file, test one, see what would go out.

\b
Examples:
  opwatch channels list
  opwatch channels test slack_engineering
  opwatch channels preview slack_engineering --event resolved
"""
EVENTS = (
    "opened",
    "severity_raised",
    "not_judged",
    "judged_again",
    "acknowledged",
    "resolved",
    "escalated",
    "test",
)

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="CHANNEL", help="As the rule file names it.")]


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the channels of OPWATCH_RULE_FILE: type, severities, and what is missing to use one.

    Secrets are looked for in this command's environment: the alert worker may have others. Whether
    a webhook answered 410 Gone, and so is sent nothing, is read from Kafka.

    Examples:
      opwatch channels list
      opwatch channels list --json | jq -r 'select(.missing) | .name'
    """
    from agents.channels.registry import guard, missing_secrets
    from agents.channels.secrets import Secrets
    from agents.cli import channels_view
    from agents.cli.rules import loaded

    chosen = settings()
    channels = loaded(None).rules.channels
    missing = missing_secrets(channels, Secrets(allowed=chosen.channel_variables), guard(chosen))
    if not channels:
        raise Sentence("the rule file has no channel: docs/alerting.md says how to add one.", NO)
    gone = _gone(channels)
    if not as_json:
        console().print(channels_view.table(channels, missing, gone))
        for one in channels:
            if one.name in gone:
                echo(gone[one.name])
        return
    for one in channels:
        echo_json(channels_view.fields(one, missing.get(one.name), gone.get(one.name)))


def _gone(channels: "Sequence[Channel]") -> dict[str, str]:
    """Return why nothing is sent to webhooks that asked for that; without Kafka nobody knows."""
    from agents.cli import decisions
    from agents.cli.kafka import NoTopic
    from streams.channels.registry import traits

    if not any(traits(one).can_be_gone for one in channels):
        return {}
    try:
        return run(decisions.gone(settings()))
    except NoTopic:  # nobody was ever told
        return {}
    except Sentence as why:
        told = "whether a webhook answered 410 Gone is not known"
        echo(f"opwatch: {told}: {why}", err=True)
        return {}


@app.command("test")
def send_test(channel: Name, *, by: By = None) -> None:
    """Have the alert worker send a test message, and say what the receiver answered.

    It goes through `commands`, with the worker's rule file and secrets, so it tests what will be
    used. Exit 1 if it did not get through, 3 if no alert worker answers.

    Examples:
      opwatch channels test slack_engineering
    """
    from agents.cli import asking

    asked = asking.command("test_channel", by=asking.asker(by), channel=channel)
    answer = run(asking.ask(settings(), asked, asked.id, follow=True))
    told = asking.told(answer)
    if answer.outcome is not None:
        echo(told.sentence + (f" It said: {told.answer}" if told.answer else ""))
        return
    if answer.retry is None:
        raise Sentence(f"{told.sentence} Nothing has come of it in {asking.DELIVERY_S:g} s.")
    said = f" It said: {answer.retry.answer}" if answer.retry.answer else ""
    raise Sentence(answer.retry.sentence + said)


@app.command()
def preview(
    channel: Name,
    *,
    event: Annotated[
        str, typer.Option(metavar="EVENT", help=f"One of {', '.join(EVENTS)}.")
    ] = "opened",
    breach: Annotated[
        str | None,
        typer.Option(
            "--breach-id",
            metavar="ID",
            help="Of a breach on the topic, or the beginning of one; by default a made-up one.",
        ),
    ] = None,
) -> None:
    """Print the exact bytes that would go out, secrets masked. Nothing is sent.

    Only what names the delivery differs: it says `preview`. What a terminal would obey is written
    with the escapes of JSON.

    Examples:
      opwatch channels preview slack_engineering
      opwatch channels preview pagerduty_oncall --event resolved
      opwatch channels preview engineering_email --breach-id 8c21 > message.eml
    """
    if event not in EVENTS:
        raise typer.BadParameter(f"{event!r} is none of {', '.join(EVENTS)}", param_hint="--event")
    from agents.cli.channel_sample import message, sample
    from agents.cli.rules import loaded
    from streams.channels.registry import preview as bytes_of

    rules = loaded(None).rules
    found = _channel(rules, channel)
    now_ms = int(time.time() * 1000)
    of = sample(rules, channel, now_ms) if breach is None else run(_breach(breach, event))
    write_request(bytes_of(message(of, event, now_ms), found))


async def _breach(prefix: str, event: str) -> "Breach":
    """Return the episode's newest revision, or for what is told while it fires the newest open."""
    from agents.cli import decisions

    log = await decisions.read(settings())
    told = [one.breach for many in log.breaches.values() for one in many]
    listed_by = "opwatch alerts list --all --json"
    name = decisions.meant(prefix, {one.id for one in told}, "breach", listed_by)
    mine = sorted((one for one in told if one.id == name), key=lambda one: one.revision)
    fits = [one for one in mine if (one.state == "resolved") is (event == "resolved")]
    return (fits or mine)[-1]


def _channel(rules: "RuleFile", name: str) -> "Channel":
    known = {one.name: one for one in rules.channels}
    if name in known:
        return known[name]
    meant = get_close_matches(name, known, 1)
    hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(known) or 'none'}."
    raise Sentence(f"no channel is called {name!r}; {hint}", NO)
