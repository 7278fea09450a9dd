"""Run a worker until it is stopped."""

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.cli.command import USAGE, CommandError, kafka_errors, load_rules, settings

if TYPE_CHECKING:
    from agents.runtime.settings import Settings

HELP = """Run a worker until SIGTERM or Ctrl-C.

It creates missing topics first. Workers of the same role share the partitions; any of them may be
stopped or killed at any time.

\b
Examples:
  opwatch worker measure
  OPWATCH_HTTP_PORT=0 opwatch worker alert     beside it, on a free port
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

    with kafka_errors():
        run(chosen)


@app.command()
def quality() -> None:
    """Score what arrives on `analyses` and publish `scored-analyses`.

    Each analysis is on `scored-analyses` within the budget, its score on `quality-scores`; windows
    of scores are on `aggregates`. Weights, thresholds and required fields are those of
    OPWATCH_QUALITY_FILE. Further assessors are those that other packages bring.

    Examples:
      opwatch worker quality
      OPWATCH_QUALITY_FILE=quality.yaml opwatch worker quality
      OPWATCH_QUALITY_PROCESSES=4 OPWATCH_HTTP_PORT=0 opwatch worker quality
    """
    chosen = settings()
    from agents.quality.app import run
    from agents.quality_file.assessors import BadAssessor, load_assessors
    from agents.quality_file.load import BadQualityFile, load_quality

    try:
        load_quality(chosen.quality_file)
        load_assessors()
    except (BadQualityFile, BadAssessor) as error:
        raise CommandError(str(error)) from None
    _must_listen(chosen)
    with kafka_errors():
        run(chosen)


@app.command()
def alert() -> None:
    """Notify people of what arrives on `breaches`.

    Each decision is recorded on `notifications`. One worker at a time does so; a second one stands
    by. The channels are those of
    OPWATCH_RULE_FILE, which is read again when it changes and at SIGHUP; their secrets come from
    the environment.

    Examples:
      opwatch worker alert
      SLACK_WEBHOOK_URL_FILE=/run/secrets/slack opwatch worker alert
      OPWATCH_RULE_FILE=rules.yaml OPWATCH_HTTP_PORT=0 opwatch worker alert     standing by
    """
    chosen = settings()
    from agents.alert.app import run

    load_rules(Path(chosen.rule_file))
    _must_listen(chosen)
    with kafka_errors():
        run(chosen)


@app.command()
def store(
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="First do what `opwatch db upgrade` does.")
    ] = False,
) -> None:
    """Keep history in PostgreSQL: windows, scores, labels, alerts, decisions, dead letters.

    METRICS_DATABASE_URL names the database; `opwatch db upgrade` makes its tables. While the
    database is away, slow or full, history waits in Kafka, and nothing else does.

    Examples:
      METRICS_DATABASE_URL=postgresql://opwatch@db/opwatch opwatch worker store --upgrade
      OPWATCH_DB_PASSWORD_FILE=/run/secrets/db OPWATCH_HTTP_PORT=0 opwatch worker store
    """
    chosen = settings()
    from agents.database.connection import NoDatabase, options
    from agents.store.app import run

    try:
        options(chosen)
    except NoDatabase as error:
        raise CommandError(str(error)) from None
    _must_listen(chosen)
    if upgrade:
        from agents.cli.db import upgrade as upgrade_tables

        upgrade_tables()
    with kafka_errors():
        run(chosen)


def dashboard() -> None:
    """Show in a browser what is true now, until SIGTERM or Ctrl-C.

    The address is http://127.0.0.1:9470/ unless OPWATCH_DASHBOARD_HOST or OPWATCH_DASHBOARD_PORT
    says another. It reads published topics, and writes nothing but the acknowledgements and
    silences that people ask for there with OPWATCH_DASHBOARD_TOKEN. For others than this machine
    OPWATCH_DASHBOARD_READ_TOKEN is needed, too.

    Examples:
      opwatch dashboard
      OPWATCH_DASHBOARD_CLAIM=96-99 opwatch dashboard     beside what was measured
      OPWATCH_DASHBOARD_TARGETS='success_rate=99/95 p95=800ms/2s' opwatch dashboard
      OPWATCH_DASHBOARD_HOST=0.0.0.0 OPWATCH_DASHBOARD_HOSTS=opwatch.example.com opwatch dashboard
    """
    chosen = settings()
    from agents.dashboard.app import run
    from agents.dashboard.gate import NoToken

    _must_be_free(chosen.dashboard_host, chosen.dashboard_port, "OPWATCH_DASHBOARD")
    try:
        run(chosen)
    except NoToken as error:
        raise CommandError(str(error), USAGE) from None
    except OSError as error:
        where = f"{chosen.dashboard_host}:{chosen.dashboard_port}"
        raise CommandError(f"cannot listen on {where}: {error.strerror or error}.") from None


def _must_listen(chosen: "Settings") -> None:
    """Check that the worker's port is free: the worker itself would end in a traceback.

    Raises:
        CommandError: it is not, or the host is none of this machine.
    """
    _must_be_free(chosen.http_host, chosen.http_port, "OPWATCH_HTTP")


def _must_be_free(host: str, port: int, setting: str) -> None:
    """Check that a port is free.

    Args:
        host: the address.
        port: 0 is any.
        setting: how the names of the settings begin that name others.

    Raises:
        CommandError: it is not, or the host is none of this machine.
    """
    try:
        for family, kind, number, _, where in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, number) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:  # as the worker does: 0.0.0.0 is another address
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(where)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            why = f"another program has the port. {setting}_PORT names another; 0 takes a free one"
        elif error.errno == errno.EACCES:
            why = f"only root may take this port. {setting}_PORT names another"
        else:
            why = f"it is no address of this machine. {setting}_HOST names one"
        raise CommandError(f"cannot listen on {host}:{port}: {why}.") from None
