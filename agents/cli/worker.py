"""Run a worker role until it is told to stop."""

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agents.cli.running import NO, Sentence, kafka_told, settings

if TYPE_CHECKING:
    from agents.runtime.settings import Settings

HELP = """Run a worker until SIGTERM or Ctrl-C.

It makes missing topics first. More workers of a role share its partitions; stop or kill any of
them at any time.

\b
Examples:
  opwatch worker measure
  OPWATCH_HTTP_PORT=0 opwatch worker alert     beside it: a port of its own
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
    _must_listen(chosen)
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
    _must_listen(chosen)
    with kafka_told():
        run(chosen)


def _must_listen(chosen: "Settings") -> None:
    """Say in a sentence what the worker would say in a traceback: that its port is another's.

    Raises:
        Sentence: the port is taken.
    """
    host, port = chosen.http_host, chosen.http_port
    try:
        for family, kind, number, _, where in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, number) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # as the worker does: 0.0.0.0 is another address
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:  # what else there is the worker finds out
            raise Sentence(
                f"cannot listen on {host}:{port}, which another program has: OPWATCH_HTTP_PORT"
                " names another port, 0 takes a free one.",
                NO,
            ) from None
