"""List the channels, send a test message, preview what would be sent."""

import time
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.command import AsJson, By, CommandError, find_id, load_rules, run, settings
from agents.cli.printing import Cell, echo, echo_json, print_table, write_request

if TYPE_CHECKING:
    from schemas.breaches import Breach
    from schemas.channels import Channel
    from schemas.rule_file import RuleFile

HELP = """List the channels of the rule file, test one, preview what it would send.

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
    """List the channels of the rule file, and the secrets they lack.

    The secrets are those of this command's environment; the alert worker may have others. A webhook
    that answered 410 Gone is sent nothing more: that is read from Kafka.

    Examples:
      opwatch channels list
      opwatch channels list --json | jq -r 'select(.missing) | .name'
    """
    from agents.channels.registry import guard, missing_secrets
    from agents.channels.secrets import Secrets

    chosen = settings()
    channels = load_rules().rules.channels
    missing = missing_secrets(channels, Secrets(allowed=chosen.channel_variables), guard(chosen))
    if not channels:
        raise CommandError("the rule file has no channel: docs/alerting.md shows how to add one.")
    gone = _gone(channels)
    if as_json:
        for channel in channels:
            echo_json(_fields(channel, missing.get(channel.name), gone.get(channel.name)))
        return
    print_table(
        ("name", "type", "enabled", "severities", "fallback", "secret"),
        (_row(channel, missing.get(channel.name), channel.name in gone) for channel in channels),
        fold=("severities", "fallback", "secret"),
    )
    for channel in channels:
        if channel.name in gone:
            echo(gone[channel.name])


@app.command("test")
def send_test(
    channel: Name,
    *,
    wait: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="How long to wait for an alert worker; 60 by default."
        ),
    ] = None,
    by: By = None,
) -> None:
    """Have the alert worker send a test message, and print what the receiver answered.

    The worker sends it with its own rule file and secrets, as it will send notifications. A worker
    that is starting is waited for. Exit 1 if the message was not delivered, 3 if no alert worker
    answers.

    Examples:
      opwatch channels test slack_engineering
      opwatch channels test slack_engineering --wait 5
    """
    from agents.cli import ask_worker

    answer_s = ask_worker.START_S if wait is None else wait
    command = ask_worker.new_command("test_channel", by=ask_worker.user_name(by), channel=channel)
    asking = ask_worker.ask(settings(), command, command.id, follow=True, answer_s=answer_s)
    answer = run(asking)
    decision = ask_worker.final_decision(answer)
    if answer.outcome is not None:
        echo(ask_worker.with_response(decision))
    elif answer.retry is not None:
        raise CommandError(ask_worker.with_response(answer.retry))
    else:
        waited = f"no outcome within {ask_worker.DELIVERY_S:g} s"
        raise CommandError(f"{decision.sentence.removesuffix('.')}, {waited}.")


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
            help="The id of a breach, or its beginning; by default an example.",
        ),
    ] = None,
) -> None:
    """Print the exact bytes that would be sent, secrets masked. Nothing is sent.

    Only the id of the delivery differs: it is `preview`. Control characters are printed as the
    escapes of JSON.

    Examples:
      opwatch channels preview slack_engineering
      opwatch channels preview pagerduty_oncall --event resolved
      opwatch channels preview engineering_email --breach-id 8c21 > message.eml
    """
    if event not in EVENTS:
        raise typer.BadParameter(f"{event!r} is none of {', '.join(EVENTS)}", param_hint="--event")
    from agents.rule_file.example import example_message, example_of
    from streams.channels.registry import preview as bytes_of

    rules = load_rules().rules
    found = _channel(rules, channel)
    now_ms = int(time.time() * 1000)
    shown = example_of(rules, channel, now_ms) if breach is None else run(_breach(breach, event))
    write_request(bytes_of(example_message(shown, event, now_ms), found))


async def _breach(prefix: str, event: str) -> "Breach":
    """Return the newest revision of an episode that fits the event, else the newest of all."""
    from agents.alert.alert_log import read_alerts

    log = await read_alerts(settings())
    breaches = [it.breach for of_alert in log.breaches.values() for it in of_alert]
    ids = {breach.id for breach in breaches}
    name = find_id(prefix, ids, "breach", "opwatch alerts list --all --json")
    revisions = [breach for breach in breaches if breach.id == name]
    fits = [it for it in revisions if (it.state == "resolved") is (event == "resolved")]
    return max(fits or revisions, key=lambda breach: breach.revision)


def _channel(rules: "RuleFile", name: str) -> "Channel":
    by_name = {channel.name: channel for channel in rules.channels}
    if name in by_name:
        return by_name[name]
    meant = get_close_matches(name, by_name, 1)
    hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(by_name) or 'none'}."
    raise CommandError(f"no channel is called {name!r}; {hint}")


def _gone(channels: "Sequence[Channel]") -> dict[str, str]:
    """Return why nothing is sent to webhooks that answered 410 Gone; empty without Kafka."""
    from agents.alert.alert_log import read_gone_channels
    from streams.channels.registry import traits

    if not any(traits(channel).can_be_gone for channel in channels):
        return {}
    try:
        return run(read_gone_channels(settings()))
    except CommandError as error:
        echo(f"opwatch: cannot tell whether a webhook answered 410 Gone: {error}", err=True)
        return {}


def _fields(channel: "Channel", missing: str | None, gone: str | None) -> dict[str, Any]:
    return {
        "name": channel.name,
        "type": channel.type,
        "enabled": channel.enabled,
        "severities": list(channel.severities),
        "fallback": channel.fallback,
        "missing": missing,
        "gone": gone,
    }


def _row(channel: "Channel", missing: str | None, gone: bool) -> list[Cell]:
    enabled: Cell = ("410 Gone", "red") if gone else "yes"
    return [
        channel.name,
        channel.type,
        enabled if channel.enabled else ("no", "yellow"),
        ", ".join(channel.severities),
        channel.fallback or "–",
        (missing, "red") if missing else "found",
    ]
