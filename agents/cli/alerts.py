"""List alerts as they stand now, show one, acknowledge one."""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.cli.command import (
    FAILED,
    AsJson,
    By,
    CommandError,
    Comment,
    Fingerprint,
    find_fingerprint,
    run,
    settings,
)
from agents.cli.printing import (
    SEVERITY_STYLES,
    Cell,
    day_and_time,
    echo,
    echo_json,
    print_pairs,
    print_table,
    when,
)
from schemas.numbers import plain
from streams.channels.text_format import rfc3339, span

if TYPE_CHECKING:
    from streams.audit.status import AlertStatus, ChannelOutcome, ChannelStatus

HELP = """List what fires, and who was notified.

An alert is a rule on a series; its fingerprint stays the same for ever. Where a fingerprint is
asked for, its first characters are enough, at least four.

\b
Examples:
  opwatch alerts list
  opwatch alerts show 3f9c
  opwatch why 3f9c                 why somebody was notified, or was not
"""
#: What resolved in the last hour is listed too.
_RECENT_MS = 3_600_000
#: The outcomes of notifying a channel, and their names in `--json`, which stay.
_JSON_OUTCOMES: "dict[ChannelOutcome, str]" = {
    "sent": "told",
    "pending": "owed",
    "failed": "given_up",
    "not_sent": "not_told",
    "undecided": "undecided",
}
#: Enough of a fingerprint to type; `show` and `why` take it.
SHORT = 8

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what resolved more than an hour ago.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List alerts that fire, are acknowledged or silenced, or resolved in the last hour.

    The most urgent come first. Exit 1 if there is none.

    Examples:
      opwatch alerts list
      opwatch alerts list --all --json | jq -r 'select(.severity == "critical") | .fingerprint'
    """
    from agents.alert.alert_log import read_alerts
    from streams.audit.status import alert_statuses

    now_ms = int(time.time() * 1000)
    alerts = alert_statuses(run(read_alerts(settings())), now_ms)
    shown = [alert for alert in alerts if everything or _recent(alert, now_ms)]
    if not shown:
        hint = "; --all lists what resolved earlier" if alerts else ""
        echo(f"nothing fires{hint}", err=True)
        raise typer.Exit(FAILED)
    if not as_json:
        print_table(
            ("alert", "state", "severity", "since (UTC)", "rule", "series", "notified"),
            _rows(shown),
            fold=("series", "notified"),
        )
        return
    for alert in shown:
        echo_json(_fields(alert))


@app.command()
def show(fingerprint: Fingerprint, *, as_json: AsJson = False) -> None:
    """Show an alert: its evidence, exemplars and routing, and who was notified.

    Examples:
      opwatch alerts show 3f9c
      opwatch alerts show 3f9c --json | jq .breach.evidence
    """
    from agents.alert.alert_log import read_alerts
    from streams.audit.status import alert_status

    now_ms = int(time.time() * 1000)
    log = run(read_alerts(settings(), prefix=fingerprint))
    alert = alert_status(log, find_fingerprint(log, fingerprint), now_ms)
    if as_json:
        echo_json(_fields(alert) | {"breach": alert.breach.model_dump(mode="json")})
        return
    print_pairs(_details(alert, now_ms))
    echo()
    print_pairs({status.channel: outcome(status) for status in alert.channels})
    echo(f"\n`opwatch why {alert.breach.fingerprint[:SHORT]}` shows the whole history.")


def ack(fingerprint: Fingerprint, *, comment: Comment = "", by: By = None) -> None:
    """Acknowledge an alert that fires, so that it escalates no further.

    Nobody else is notified of it then. The acknowledgement is for this episode: when the alert
    resolves and opens again, people are notified again. Exit 1 if the alert does not fire or was
    acknowledged before, 3 if no alert worker answers.

    Examples:
      opwatch ack 3f9c
      opwatch ack 3f9c --comment 'looking at lever'
      opwatch ack 3f9c -c 'known, see ticket 41' --by ada
    """
    from agents.alert.alert_log import read_alerts
    from agents.cli import ask_worker

    chosen = settings()
    log = run(read_alerts(chosen, prefix=fingerprint))
    name = find_fingerprint(log, fingerprint)
    breach = log.newest(name)
    if breach.state == "resolved":
        raise CommandError(
            f"{breach.rule} on {breach.series} does not fire: it has resolved, so there is nothing"
            " to acknowledge."
        )
    command = ask_worker.new_command(
        "acknowledge",
        by=ask_worker.user_name(by),
        comment=comment,
        fingerprint=name,
        breach_id=breach.id,
    )
    echo(ask_worker.final_decision(run(ask_worker.ask(chosen, command, name))).sentence)


def state(alert: "AlertStatus") -> str:
    """Return the state of an alert, and until when it is silenced."""
    until = "" if alert.until_ms is None else f" until {day_and_time(alert.until_ms)}"
    judged = alert.state == "resolved" or alert.breach.judged
    return alert.state + until + ("" if judged else ", no longer judged")


def outcome(status: "ChannelStatus") -> str:
    """Return what became of notifying a channel, in a sentence."""
    if status.state == "sent" and status.at_ms is not None:
        event = "" if status.event in (None, "opened") else f" ({status.event.replace('_', ' ')})"
        text = f"notified at {when(status.at_ms)} UTC{event}"
    else:
        text = f"{_reason(status)}: {status.sentence}"
    if status.answer:
        text = f"{text.removesuffix('.')}, answered {status.answer}"
    if status.resolved_ms is not None and status.event != "resolved":
        text += f"; notified of the resolve at {when(status.resolved_ms)} UTC"
    return text


def _recent(alert: "AlertStatus", now_ms: int) -> bool:
    resolved_ms = alert.breach.resolved_ms
    return alert.state != "resolved" or (resolved_ms or 0) >= now_ms - _RECENT_MS


def _rows(alerts: "Iterable[AlertStatus]") -> Iterator[list[Cell]]:
    for alert in alerts:
        breach = alert.breach
        dim = "dim" if alert.state == "resolved" else ""
        texts = (
            breach.fingerprint[:SHORT],
            state(alert),
            breach.severity,
            day_and_time(breach.opened_ms)[:-3],
            breach.rule,
            breach.series,
            _notified(alert.channels),
        )
        row: list[Cell] = [(text, dim) for text in texts]
        row[2] = breach.severity, f"{dim} {SEVERITY_STYLES[breach.severity]}"
        yield row


def _notified(statuses: "Iterable[ChannelStatus]") -> str:
    """Return the channels that were notified, then the others with the reason."""
    sent = [it.channel for it in statuses if it.state == "sent"]
    others = [f"{it.channel} ({_reason(it)})" for it in statuses if it.state != "sent"]
    return ", ".join(sent + others) or "nobody: no channel"


def _reason(status: "ChannelStatus") -> str:
    """Return in a word or two why a channel was not notified."""
    if status.state == "not_sent":
        return (status.reason or "not notified").replace("_", " ")
    words = {"pending": "not yet", "failed": "gave up", "undecided": "undecided"}
    return words[status.state]


def _details(alert: "AlertStatus", now_ms: int) -> dict[str, str]:
    from streams.channels.wording import observed

    breach = alert.breach
    until_ms = now_ms if breach.resolved_ms is None else breach.resolved_ms
    details = {
        "alert": breach.fingerprint,
        "episode": breach.id,
        "state": state(alert) + (f", by {alert.by}" if alert.by else ""),
        "comment": alert.comment,
        "severity": breach.severity,
        "rule": f"{breach.rule} ({breach.kind}, rule file {breach.rules_hash or '–'})",
        "series": breach.series,
        "summary": breach.summary,
        "opened": f"{when(breach.opened_ms)} UTC, {span(max(0, until_ms - breach.opened_ms))} long",
        "resolved": "" if breach.resolved_ms is None else f"{when(breach.resolved_ms)} UTC",
        "observed": observed(breach),
        "windows": f"{when(breach.span.start_ms)} to {when(breach.span.end_ms)} UTC",
        "confirmed": "yes, by final windows" if breach.confirmed else "not yet by final windows",
        "stale": "yes: it was over long before it could be notified" if breach.stale else "",
        "labels": ", ".join(f'{name}="{value}"' for name, value in breach.labels.items()),
        **{f"evidence {name}": _figure(value) for name, value in breach.evidence.items()},
        "exemplars": "\n".join(map(_exemplar, breach.exemplars)),
        "runbook": breach.runbook or "",
        "dashboard": breach.dashboard or "",
        "routed to": _routing(alert),
    }
    return {name: value for name, value in details.items() if value}


def _routing(alert: "AlertStatus") -> str:
    routing = alert.breach.routing
    parts = [", ".join(routing.channels) or "no channel", f"cooldown {span(routing.cooldown_ms)}"]
    parts += [
        f"after {span(step.after_ms)} without an acknowledgement {', '.join(step.channels)}"
        for step in routing.escalation
    ]
    return "; ".join(parts)


def _exemplar(operation: Any) -> str:
    if hasattr(operation, "score"):  # an analysis
        finding = f", {operation.finding}" if operation.finding else ""
        return f"{operation.id} (score {operation.score:.2g}{finding})"
    failed = "" if operation.success else f", failed: {operation.error_type or 'no error type'}"
    return f"{operation.id} ({plain(operation.duration_ms, 4)} ms{failed})"


def _figure(value: float | str | None) -> str:
    return "–" if value is None else value if isinstance(value, str) else plain(value, 6)


def _fields(alert: "AlertStatus") -> dict[str, Any]:
    breach = alert.breach
    return {
        "fingerprint": breach.fingerprint,
        "state": alert.state,
        "severity": breach.severity,
        "rule": breach.rule,
        "series": breach.series,
        "since": rfc3339(breach.opened_ms),
        "resolved": None if breach.resolved_ms is None else rfc3339(breach.resolved_ms),
        "breach_id": breach.id,
        "summary": breach.summary,
        "by": alert.by or None,
        "comment": alert.comment or None,
        "silenced_until": None if alert.until_ms is None else rfc3339(alert.until_ms),
        "stale": breach.stale,
        "judged": breach.judged,
        "told": [_channel_fields(status) for status in alert.channels],
    }


def _channel_fields(status: "ChannelStatus") -> dict[str, Any]:
    return {
        "channel": status.channel,
        "state": _JSON_OUTCOMES[status.state],
        "reason": status.reason,
        "sentence": status.sentence,
        "at": None if status.at_ms is None else rfc3339(status.at_ms),
        "until": None if status.until_ms is None else rfc3339(status.until_ms),
        "answer": status.answer,
        "told_of_end": None if status.resolved_ms is None else rfc3339(status.resolved_ms),
    }
