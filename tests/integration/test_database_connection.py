"""Connecting to PostgreSQL: TLS that is verified, a password from a file, several hosts."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import trustme

from agents.database import connection
from agents.database.connection import NoDatabase, connect
from agents.runtime.settings import Settings
from stack.postgres import LocalPostgres
from tests.databases import settings_of

PASSWORD = "p@ss/word"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[int]:
    """Yield the port of a server that only lets in who has the password, behind TLS."""
    server = LocalPostgres(tmp_path_factory.mktemp("secured") / "postgres").start()
    asyncio.run(_protect(server.url))
    (server.directory / "data" / "pg_hba.conf").write_text("host all all all scram-sha-256\n")
    server.restart()
    assert server.port is not None
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    listening = _encrypt(server.port, authority)
    yield asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.stop()


async def _protect(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER ROLE opwatch PASSWORD '{PASSWORD}'")
    await connection.close()


async def _encrypt(port: int, authority: trustme.CA) -> int:
    """Speak TLS in front of the server, as PostgreSQL does: this build of it cannot."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == SSL_REQUEST
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except (OSError, ssl.SSLError):  # the client does not trust us
            writer.close()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, ours), pass_on(theirs, writer))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    return int(listening.sockets[0].getsockname()[1])


#: https://www.postgresql.org/docs/current/protocol-message-formats.html
SSL_REQUEST = struct.pack(">ii", 8, 80877103)
READY = struct.pack(">ci", b"Z", 5) + b"I"


def settings(port: int, folder: Path, authority: trustme.CA, host: str = "localhost") -> Settings:
    (folder / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (folder / "password").write_text(f"{PASSWORD}\n")
    return settings_of(
        f"postgresql://opwatch@{host}:{port}/opwatch",
        db_ca_file=str(folder / "ca.pem"),
        db_password_file=str(folder / "password"),
    )


async def test_a_connection_is_encrypted_and_the_password_comes_from_a_file(
    secured: int, authority: trustme.CA, tmp_path: Path
):
    connection = await connect(settings(secured, tmp_path, authority))
    assert await connection.fetchval("SELECT current_user") == "opwatch"
    assert connection._transport.get_extra_info("ssl_object") is not None
    await connection.close()


async def test_another_authority_or_another_name_is_refused(
    secured: int, authority: trustme.CA, tmp_path: Path
):
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(settings(secured, tmp_path, trustme.CA()))
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(settings(secured, tmp_path, authority, host="127.0.0.1"))


async def test_a_file_that_cannot_be_used_is_named(tmp_path: Path):
    missing = settings_of("postgresql://h/d", db_password_file=str(tmp_path / "nowhere"))
    with pytest.raises(NoDatabase, match=r"OPWATCH_DB_PASSWORD_FILE .* cannot be read"):
        await connect(missing)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(NoDatabase, match=r"OPWATCH_DB_CA_FILE .* has no certificates"):
        await connect(settings_of("postgresql://h/d", db_ca_file=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize(
    ("host", "why"), [("127.0.0.1:1", "connection refused"), ("nowhere.invalid:5432", "its name")]
)
async def test_a_server_that_cannot_be_reached_is_named(host: str, why: str):
    with pytest.raises(ConnectionError, match=f"^{host}: {why}"):
        await connect(settings_of(f"postgresql://u:hunter2@{host}/d"))


def test_the_address_of_sqlalchemy_is_understood_and_never_shown():
    chosen = settings_of("postgresql+asyncpg://u:hunter2@h/d")
    assert chosen.metrics_database_url is not None
    assert chosen.metrics_database_url.get_secret_value() == "postgresql://u:hunter2@h/d"
    assert "hunter2" not in repr(chosen)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_host_that_cannot_be_had_is_left_for_the_next(
    postgres: str, monkeypatch: pytest.MonkeyPatch, answers: bool
):
    monkeypatch.setattr(connection, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, and says nothing
        gone = f"127.0.0.1:{server.getsockname()[1]}"
        if answers:  # that nobody listens there
            server.close()
        await is_left_for(postgres, gone, (OSError, TimeoutError))


@pytest.mark.parametrize("writes", [True, False])
async def test_a_pooler_that_greets_without_a_server_is_left_for_the_next(
    postgres: str, writes: bool
):
    listening = await asyncio.start_server(greeter(postgres), "127.0.0.1", 0)
    pooler = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await is_left_for(postgres, pooler, asyncpg.PostgresConnectionError, writes=writes)
    listening.close()


async def is_left_for(
    postgres: str, host: str, error: type[Exception] | tuple[type[Exception], ...], **how: bool
) -> None:
    address = f"postgresql://opwatch@{host},{postgres.rpartition('@')[2]}"
    found = await connect(settings_of(address), **how)
    assert await found.fetchval("SELECT 1") == 1
    await found.close()
    with pytest.raises(error):
        await connect(settings_of(f"postgresql://opwatch@{host}/opwatch"), **how)


def greeter(postgres: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """Return what greets as pgbouncer does when its server is gone: in the words it last heard."""
    server = urlsplit(postgres)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == SSL_REQUEST
        writer.write(b"N")
        theirs, ours = await asyncio.open_connection(server.hostname, server.port)
        ours.write(await reader.read(65_536))
        writer.write(await theirs.readuntil(READY))
        ours.close()
        await reader.read(65_536)  # the first statement
        why = b"SFATAL\0C08P01\0Mserver login has been failing, try again later\0\0"
        writer.write(b"E" + struct.pack(">i", 4 + len(why)) + why)
        writer.close()

    return greet
