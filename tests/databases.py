"""Make databases of their own for tests, on the shared PostgreSQL."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from agents.database import migrate
from agents.runtime.settings import Settings

_numbers = itertools.count()


@contextmanager
def database(server: str, *, migrated: bool = True) -> Iterator[str]:
    """Yield the address of an empty database, or of one with the tables of history."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
    url = server.rpartition("/")[0] + "/" + name
    try:
        if migrated:
            asyncio.run(migrate.upgrade(settings_of(url)))
        yield url
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


def settings_of(url: str, **others: object) -> Settings:
    """Return settings with a database."""
    return Settings(_env_file=None, metrics_database_url=url, **others)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
