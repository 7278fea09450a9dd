"""Make, check, prune and open the database of history."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import typer

from agents.cli.command import FAILED, UNREACHABLE, USAGE, CommandError, run, settings
from agents.cli.printing import Cell, echo, print_table

if TYPE_CHECKING:
    import asyncpg

HELP = """Make, check, prune and open the database of history.

METRICS_DATABASE_URL names it; the tables are in schema OPWATCH_DB_SCHEMA.

\b
Examples:
  opwatch db upgrade
  opwatch db check
  opwatch db prune --dry-run
  opwatch db psql -c "SELECT * FROM by_platform(now() - interval '1 day', now())"
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
_UPGRADE = "`opwatch db upgrade` makes the tables, or brings them to this version"
_PROGRESS_S = 2.0


@app.command()
def upgrade() -> None:
    """Make the tables, or bring them to this version; their rows stay.

    A table that somebody locks is waited for, without holding others up.

    Examples:
      opwatch db upgrade
    """
    from agents.database import migrate

    async def work() -> tuple[str | None, str | None]:
        before = await migrate.version(chosen)
        await migrate.upgrade(chosen, waits=lambda text: echo(text, err=True))
        return before, await migrate.version(chosen)

    chosen = settings()
    before, after = run(work(), database_errors)
    done = "was there already" if before == after else f"from {before or 'nothing'}"
    echo(f"schema {chosen.db_schema} has the tables of version {after} ({done})")


@app.command()
def check() -> None:
    """Say what is in the database, and what does not fit; exit 1 if the tables do not.

    Examples:
      opwatch db check
    """
    from agents.database.inspection import inspect

    found = run(inspect(settings()), database_errors)
    print_table(("what", "found"), found.facts, fold=("found",))
    if found.tables:
        echo()
        print_table(
            ("table", "rows, about", "MB"),
            ([name, f"{rows:,}", f"{size / 1e6:,.1f}"] for name, rows, size in found.tables),
            right=("rows, about", "MB"),
        )
    for warning in found.warnings:
        echo(f"note: {warning}", err=True)
    if found.faults:
        raise CommandError("\n".join(found.faults))


@app.command()
def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
    ] = False,
) -> None:
    """Remove what is older than OPWATCH_DB_RETENTION says; run it once a day.

    Windows go by whole partitions, other rows some thousands at a time: nobody waits for it.

    Examples:
      opwatch db prune --dry-run
      OPWATCH_DB_RETENTION="1m=14d 5m=60d" opwatch db prune
    """
    from agents.database import retention

    chosen = settings()
    now = datetime.now(UTC)
    removed = run(retention.prune(chosen, now, _Shown(), dry_run=dry_run), database_errors)
    if not removed:
        echo("nothing is older than it is kept")
        return
    rows: list[list[Cell]] = [
        [it.name, it.what, f"{it.before:%Y-%m-%d}" if it.before else "–"] for it in removed
    ]
    print_table(("table", "would be removed" if dry_run else "removed", "older than"), rows)


class _Shown:
    """Shows progress on stderr, now and then."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __call__(self, text: str) -> None:
        if time.monotonic() - self._last_s > _PROGRESS_S:
            self._last_s = time.monotonic()
            echo(text, err=True)


@app.command(
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": ["--help"],  # -h is psql's
    }
)
def psql(context: typer.Context) -> None:
    r"""Open psql there, in the schema of the tables and in UTC; arguments are psql's.

    Examples:
      opwatch db psql
      opwatch db psql -c "\df+ opwatch.*"
    """
    from agents.database.connection import NoDatabase, options

    program = shutil.which("psql")
    if program is None:
        raise CommandError("psql is not installed (Debian: apt install postgresql-client).")
    chosen = settings()
    try:
        found = options(chosen)
    except NoDatabase as error:
        raise CommandError(str(error), USAGE) from None
    address, password = without_password(found["dsn"])
    password = found.get("password", password)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": password})
    if chosen.db_prepared_statements:  # pgbouncer does not take them
        environment["PGOPTIONS"] = f"-c search_path={chosen.db_schema},public -c timezone=UTC"
    if chosen.db_ca_file is not None:
        environment["PGSSLROOTCERT"] = chosen.db_ca_file
        environment.setdefault("PGSSLMODE", "verify-full")
    os.execve(program, ["psql", address, *context.args], environment)  # noqa: S606 - its arguments


def without_password(url: str) -> tuple[str, str | None]:
    """Return a database's address without the password, which others would see, and that."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    user, colon, secret = user.partition(":")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = query.pop("password", None)
    password = unquote(secret) if colon else named
    options = f"?{urlencode(query)}" if query else ""
    return f"{parts.scheme}://{user}{at}{hosts}{parts.path}{options}", password


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the database's errors into sentences.

    Raises:
        CommandError: it could not be reached, refused, or has not the tables.
    """
    import asyncpg

    from agents.database.connection import NoDatabase

    try:
        yield
    except NoDatabase as error:
        raise CommandError(str(error), USAGE) from None
    except asyncpg.PostgresError as error:
        raise _refusal(error) from None
    except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
        why = str(error) or "no answer in time"
        raise CommandError(f"the database cannot be reached: {why}.", UNREACHABLE) from None
    except Exception as error:  # noqa: BLE001 - what is not of a migration is raised as it is
        raise _of_migrations(error) from None


def _refusal(error: "asyncpg.PostgresError") -> CommandError:
    import asyncpg

    missing = (
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedFunctionError,
        asyncpg.UndefinedColumnError,
        asyncpg.InvalidSchemaNameError,
    )
    away = (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.TooManyConnectionsError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    )
    if isinstance(error, missing):
        return CommandError(f"the database has no such tables: {error}.\n{_UPGRADE}.")
    if isinstance(error, away):
        return CommandError(f"the database cannot be reached: {error}.", UNREACHABLE)
    return CommandError(f"the database refused: {error}.", FAILED)


def _of_migrations(error: Exception) -> Exception:
    """Return an error of Alembic as a sentence, any other one as it is."""
    from alembic.util.exc import CommandError as Refused
    from sqlalchemy.exc import DBAPIError

    from agents.database.migrate import Locked

    if isinstance(error, Locked):
        return CommandError(str(error))
    if isinstance(error, Refused):
        return CommandError(f"the tables are of another version than this program: {error}.")
    if isinstance(error, DBAPIError):
        return CommandError(f"the database refused: {str(error.orig).partition(': ')[2]}.")
    return error
