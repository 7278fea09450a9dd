"""Connect to the database of history: address, password, TLS, deadlines."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from agents.runtime.database_settings import URL_VARIABLE
from agents.runtime.network_errors import words
from agents.runtime.settings import Settings

#: A server that accepts no login within this time counts as away.
CONNECT_S = 10.0
#: A connection ends when data that was sent is not acknowledged within this time.
_DEAD_AFTER_MS = 20_000
_PREPARED = 100
#: What a greeting says of a server need not be so: pgbouncer greets without one, as the last did.
_ASK = "SELECT current_setting('transaction_read_only')::bool"


class NoDatabase(Exception):
    """No database is configured, or this one cannot be used; the sentence says why."""


#: The next server is tried: this one is away, starts, ends or takes no writes.
_NOT_THIS_ONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    NoDatabase,
)


def options(settings: Settings) -> dict[str, Any]:
    """Return the arguments of asyncpg.connect.

    Args:
        settings: where the database is.

    Raises:
        NoDatabase: none is configured, or a file cannot be read.
    """
    url = settings.metrics_database_url
    if url is None:
        raise NoDatabase(f"{URL_VARIABLE} is not set: it names the database of history.")
    found: dict[str, Any] = {
        "dsn": url.get_secret_value(),
        "timeout": CONNECT_S,
        "command_timeout": settings.db_timeout_s,
        "statement_cache_size": _PREPARED if settings.db_prepared_statements else 0,
        "server_settings": {"application_name": "opwatch"},
    }
    if settings.db_password_file is not None:
        found["password"] = _read("OPWATCH_DB_PASSWORD_FILE", settings.db_password_file).strip()
    if settings.db_ca_file is not None:
        authorities = _read("OPWATCH_DB_CA_FILE", settings.db_ca_file)
        try:
            found["ssl"] = ssl.create_default_context(cadata=authorities)
        except ssl.SSLError as error:
            why = f"OPWATCH_DB_CA_FILE {settings.db_ca_file} has no certificates: {error}."
            raise NoDatabase(why) from None
    return found


async def connect(settings: Settings, *, writes: bool = True) -> asyncpg.Connection:
    """Return a connection; a host that died behind it ends it within 20 s.

    Args:
        settings: where the database is.
        writes: whether a server that only reads, such as a standby, is not the one.

    Raises:
        NoDatabase: none is configured, a file cannot be read, or the server only reads.
        asyncpg.PostgresError, OSError, TimeoutError: it cannot be reached, or lets nobody in.
    """
    found = await asyncio.to_thread(options, settings)
    connection: Any = await _first_of(_addresses(found.pop("dsn")), found, writes=writes)
    # asyncpg has no setting for it.
    sock = connection._transport.get_extra_info("socket")  # noqa: SLF001
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)
    found_connection: asyncpg.Connection = connection
    return found_connection


async def _first_of(
    addresses: Sequence[str], found: dict[str, Any], *, writes: bool
) -> asyncpg.Connection:
    """Connect to the first server that answers; asyncpg itself waits for one that hangs."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(*_NOT_THIS_ONE):
            return await _connected(address, found, writes=writes)
    return await _connected(last, found, writes=writes)


async def _connected(address: str, found: dict[str, Any], *, writes: bool) -> asyncpg.Connection:
    async with asyncio.timeout(2 * CONNECT_S):
        connection = await _opened(address, found)
        with contextlib.ExitStack() as unless_usable:
            unless_usable.callback(connection.terminate)
            await connection.execute("BEGIN")  # by pgbouncer all of it gets the same server
            only_reads = await connection.fetchval(_ASK)
            await connection.execute("COMMIT")
            if writes and only_reads:
                raise NoDatabase("the server only reads: a standby, or read-only by its settings")
            unless_usable.pop_all()
    return connection


async def _opened(address: str, found: dict[str, Any]) -> asyncpg.Connection:
    try:
        connection: asyncpg.Connection = await asyncpg.connect(address, **found)
    except (TimeoutError, ssl.SSLError):
        raise
    except OSError as error:  # a loop's own error need not say which host it is
        host = urlsplit(address).netloc.rpartition("@")[2]
        raise ConnectionError(f"{host}: {words(error)}") from error
    return connection


def _addresses(address: str) -> list[str]:
    """Return an address for each host that one names."""
    parts = urlsplit(address)
    user, at, hosts = parts.netloc.rpartition("@")
    return [parts._replace(netloc=user + at + host).geturl() for host in hosts.split(",")]


def _read(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NoDatabase(f"{variable} {path} cannot be read: {why}.") from None
