"""Run a worker role until it is told to stop."""

from pathlib import Path

import typer

from agents.cli.running import kafka_told, settings

HELP = """Run a worker until SIGTERM or Ctrl-C.

It makes missing topics first. More workers of a role share its partitions; stop or kill any of
them at any time.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.command()
def measure() -> None:
    """Count what arrives on `operations` and publish `aggregates`.

    Health and metrics are at http://OPWATCH_HTTP_HOST:OPWATCH_HTTP_PORT/metrics, /healthz and
    /readyz.

    Examples:
      opwatch worker measure
      OPWATCH_INSTANCE=b OPWATCH_HTTP_PORT=0 opwatch worker measure     a second one
      OPWATCH_LOG_FORMAT=json OPWATCH_LOG_LEVEL=debug opwatch worker measure
    """
    chosen = settings()
    from agents.measure.app import run

    with kafka_told():
        run(chosen)


@app.command()
def alert() -> None:
    """Tell people of what arrives on `breaches`, and put on `notifications` who was told or not.

    One worker at a time does so; a second one stands by. Channels are those of OPWATCH_RULE_FILE,
    which is taken over when it changes and at SIGHUP; their secrets come from the environment.

    Examples:
      opwatch worker alert
      SLACK_WEBHOOK_URL_FILE=/run/secrets/slack opwatch worker alert
      OPWATCH_RULE_FILE=rules.yaml OPWATCH_HTTP_PORT=0 opwatch worker alert     standing by
    """
    chosen = settings()
    from agents.alert.app import run
    from agents.cli.rules import loaded

    loaded(Path(chosen.rule_file))
    with kafka_told():
        run(chosen)
