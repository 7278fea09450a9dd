"""Bring the tables of history to a version, up or down, without holding anybody up for long."""

import asyncio
from collections.abc import Callable
from typing import Any

from agents.database.connection import connect
from agents.runtime.settings import Settings

#: A table that is locked for longer is tried again later: who waits for a lock makes others wait.
LOCK_TIMEOUT_S = 2
_ATTEMPTS = 30
_AGAIN_S = 1.0
_LOCK_NOT_AVAILABLE = "55P03"
#: Of the advisory lock: two who migrate wait for one another.
_LOCK = 0x6F707761


class Locked(Exception):
    """Another session holds a table for too long; nothing was changed by the migration it held."""


async def upgrade(
    settings: Settings, revision: str = "head", waits: Callable[[str], None] = print
) -> None:
    """Bring the tables to a version, by default the newest.

    Args:
        settings: where the database is.
        revision: the version.
        waits: takes a sentence whenever a lock is waited for.

    Raises:
        Locked: a table stays locked.
        agents.database.connection.NoDatabase, OSError, TimeoutError, sqlalchemy.exc.DBAPIError
    """
    from alembic import command

    await _patiently(settings, lambda config: command.upgrade(config, revision), waits)


async def downgrade(
    settings: Settings, revision: str, waits: Callable[[str], None] = print
) -> None:
    """Take the tables back to a version, `base` for none; raises as upgrade does."""
    from alembic import command

    await _patiently(settings, lambda config: command.downgrade(config, revision), waits)


async def version(settings: Settings) -> str | None:
    """Return the version of the tables, None if there are none; raises as connect does."""
    connection = await connect(settings, writes=False)
    try:
        table = f"{settings.db_schema}.alembic_version"
        if await connection.fetchval("SELECT to_regclass($1)", table) is None:
            return None
        found: str | None = await connection.fetchval(
            f'SELECT version_num FROM "{settings.db_schema}".alembic_version'  # noqa: S608
        )
        return found
    finally:
        connection.terminate()


def newest() -> str:
    """Return the version that this code is made for."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def _patiently(
    settings: Settings, migrate: Callable[[Any], None], waits: Callable[[str], None]
) -> None:
    from sqlalchemy.exc import DBAPIError

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await _run(settings, migrate)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            if attempt < _ATTEMPTS:
                waits("another session holds a lock on a table: waiting, others are not held up")
                await asyncio.sleep(_AGAIN_S)
    raise Locked(
        f"another session held a lock for {_ATTEMPTS * (LOCK_TIMEOUT_S + _AGAIN_S):.0f} s: see"
        " pg_stat_activity, and migrate again."
    )


async def _run(settings: Settings, migrate: Callable[[Any], None]) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    schema = settings.db_schema
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: connect(settings),
        poolclass=NullPool,
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            await connection.execute(text("SET timezone = 'UTC'"))
            await connection.execute(text(f"SELECT pg_advisory_lock({_LOCK})"))
            there = "SELECT 1 FROM pg_namespace WHERE nspname = :schema"
            if await connection.scalar(text(there), {"schema": schema}) is None:
                await connection.execute(text(f'CREATE SCHEMA "{schema}"'))
            await connection.execute(text(f'SET search_path = "{schema}"'))
            await connection.commit()

            def work(plain: Any) -> None:
                config = _config()
                config.attributes |= {"connection": plain, "schema": schema}
                migrate(config)

            await connection.run_sync(work)
            await connection.commit()
    finally:
        await engine.dispose()


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "agents.database:migrations")
    config.set_main_option("path_separator", "os")
    return config
