"""Say why somebody was told of an alert, or why a channel was not."""

import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.alerts import AsJson, Fingerprint
from agents.cli.moments import since_ms
from agents.cli.printing import echo, echo_json
from agents.cli.running import NO, Sentence, run, settings

if TYPE_CHECKING:
    from agents.runtime.settings import Settings
    from streams.audit.log import Log
    from streams.audit.why import HistoryEntry, Undelivered


def why(
    fingerprint: Fingerprint,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the times it fired before.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell an alert's whole story: what was seen, who was told, what was held back, and why.

    From `breaches`, `notifications`, `commands` and `dead-letters`, which are kept for 30 days.

    Examples:
      opwatch why 3f9c
      opwatch why 3f9c --all
      opwatch why 3f9c --json | jq -r 'select(.channel == "slack_engineering") | .sentence'
    """
    from agents.cli import decisions, why_view
    from streams.audit.status import alert_status
    from streams.audit.why import history

    log, letters = run(_read(settings(), fingerprint))
    name = decisions.fingerprint(log, fingerprint)
    found = alert_status(log, name, int(time.time() * 1000))
    entries = history(log, name, letters)
    episodes = len({one.breach.id for one in log.breaches[name]})
    if not everything:
        entries = _newest(entries, found.breach.id)
    if as_json:
        for entry in entries:
            echo_json(why_view.entry_fields(entry))
        return
    why_view.print_story(found, entries, 0 if everything else episodes - 1)


def why_not(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="As the rule file names it.")],
    *,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="90s, 30m, 2h, 1d or an ISO 8601 time.")
    ] = "1h",
    as_json: AsJson = False,
) -> None:
    """Say why a channel was not told: every decision not to, or not at once, by its reason.

    Also which alerts no rule routes there. Exit 1 where there is nothing.

    Examples:
      opwatch why-not pagerduty_oncall
      opwatch why-not slack_engineering --since 2d
      opwatch why-not slack_engineering --json | jq -r .reason | sort | uniq -c
    """
    begin = since_ms(since) or 0
    from agents.cli import decisions, why_view
    from streams.audit.why_not import by_reason, channels, why_not

    log = run(decisions.read(settings()))
    found = why_not(log, channel, begin)
    known = channels(log)
    if channel not in known and not _in_rule_file(channel):
        meant = get_close_matches(channel, known, 1)
        hint = f"; did you mean {meant[0]}?" if meant else " (`opwatch channels list`)."
        raise Sentence(f"nothing was ever routed to a channel {channel!r}{hint}", NO)
    if not found:
        echo(f"nothing was held back from {channel} in that time", err=True)
        raise typer.Exit(NO)
    if as_json:
        for one in found:
            echo_json(why_view.untold_fields(one))
        return
    why_view.print_untold(channel, by_reason(found), begin)


async def _read(settings: "Settings", prefix: str) -> "tuple[Log, list[Undelivered]]":
    import asyncio

    from agents.cli import decisions, letters
    from streams.audit.why import Undelivered

    log, found = await asyncio.gather(
        decisions.read(settings, prefix=prefix), letters.read(settings)
    )
    given = [
        Undelivered(one.key, one.about.delivery, one.about.detail, one.refused_at_ms)
        for one in found.by_key.values()
        if one.about.delivery is not None
    ]
    return log, given


def _newest(entries: "list[HistoryEntry]", breach_id: str) -> "list[HistoryEntry]":
    begins = min(one.at_ms for one in entries if one.breach_id == breach_id)
    return [
        one
        for one in entries
        if one.breach_id == breach_id or (one.breach_id is None and one.at_ms >= begins)
    ]


def _in_rule_file(channel: str) -> bool:
    """Whether the rule file of this machine, if there is one, has the channel."""
    from agents.rule_file.load import BadRuleFile, load

    try:
        rules = load(settings().rule_file).rules
    except BadRuleFile:
        return False
    return any(one.name == channel for one in rules.channels)
