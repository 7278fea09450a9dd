"""Run a worker role until it is told to stop."""

import typer

from agents.cli.running import kafka_told, settings

HELP = """Run a worker until SIGTERM or Ctrl-C.

It makes missing topics first. More workers of a role share its partitions; stop or kill any of
them at any time.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def worker() -> None:
    """Keep `measure` a command of its own while it is the only one."""


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
