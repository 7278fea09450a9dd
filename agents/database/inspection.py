"""Say what is in the database of history, and what does not fit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from agents.database import migrate
from agents.database.connection import connect
from agents.runtime.settings import Settings

_SPECIFIED = "performance_metrics"
_ORM = "An application's ORM may drop or change tables that it does not know"


@dataclass(kw_only=True)
class Inspection:
    """What was found."""

    facts: list[list[str]] = field(default_factory=list)
    tables: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, rows (estimated) and bytes."""
    warnings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Why nothing can be stored or read as it is."""


async def inspect(settings: Settings) -> Inspection:
    """Return what is in the database; raises as connect does."""
    found = Inspection()
    schema = settings.db_schema
    version, newest = await migrate.version(settings), migrate.newest()
    connection = await connect(settings, writes=False)
    try:
        await _describe_server(connection, found)
        found.facts.append(["schema", schema])
        found.facts.append(["version of the tables", version or "none"])
        if version != newest:
            found.faults.append(
                f"the tables of schema {schema} are of version {version or 'none'}, this program"
                f" needs {newest}: `opwatch db upgrade`."
            )
        await _find_namesakes(connection, schema, found)
        if version is not None:
            await _describe_tables(connection, schema, found)
    finally:
        connection.terminate()
    return found


async def _describe_server(connection: asyncpg.Connection, found: Inspection) -> None:
    row: Any = await connection.fetchrow(
        "SELECT current_setting('server_version') AS version, current_user AS user,"
        " current_database() AS database, pg_is_in_recovery() AS standby,"
        " (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls"
    )
    found.facts += [
        ["server", f"PostgreSQL {row['version']}{', a standby' if row['standby'] else ''}"],
        ["database", f"{row['database']}, as {row['user']}, {'' if row['tls'] else 'no '}TLS"],
    ]


async def _find_namesakes(connection: asyncpg.Connection, schema: str, found: Inspection) -> None:
    """Warn of a table with our name in another schema: one is taken for the other."""
    rows = await connection.fetch(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname <> $2"
        " ORDER BY 1",
        *(_SPECIFIED, schema),
    )
    for row in rows:
        other = row["nspname"]
        found.warnings.append(
            f"{other}.{_SPECIFIED} is another table of that name: opwatch writes"
            f" {schema}.{_SPECIFIED}. {_ORM}: let opwatch's stay in a schema of its own, and name"
            " the schema in queries."
        )
    if schema == "public":
        found.warnings.append(
            f"the tables are in schema public. {_ORM}: exclude them there, or use"
            " OPWATCH_DB_SCHEMA=opwatch."
        )


async def _describe_tables(connection: asyncpg.Connection, schema: str, found: Inspection) -> None:
    rights = await connection.fetchrow(
        "SELECT has_table_privilege($1, 'SELECT') AS reads, has_table_privilege($1, 'INSERT')"
        " AND has_table_privilege($1, 'UPDATE') AS writes",
        f'"{schema}".windows',
    )
    assert rights is not None
    may = [name for name in ("reads", "writes") if rights[name]]
    found.facts.append(["this user", " and ".join(may) or "has no rights on the tables"])
    if not rights["reads"]:
        found.faults.append(f"this user may not read {schema}.windows: GRANT it, or use another.")
        return
    written: datetime | None = await connection.fetchval(
        f'SELECT max(written_at) FROM "{schema}".consumed_offsets'  # noqa: S608 - our own name
    )
    found.facts.append(["store wrote last", f"{written:%Y-%m-%d %H:%M:%S} UTC" if written else "–"])
    rows = await connection.fetch(
        "SELECT c.relname, sum(greatest(l.reltuples, 0))::bigint AS rows,"
        " sum(pg_total_relation_size(l.oid))::bigint AS bytes"
        " FROM pg_class c, pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid"
        " WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p')"
        "   AND NOT c.relispartition AND t.isleaf GROUP BY 1 ORDER BY 3 DESC",
        f'"{schema}"',
    )
    plain = await connection.fetch(
        "SELECT relname, greatest(reltuples, 0)::bigint AS rows,"
        " pg_total_relation_size(oid) AS bytes FROM pg_class"
        " WHERE relnamespace = to_regnamespace($1) AND relkind = 'r' AND NOT relispartition",
        f'"{schema}"',
    )
    sizes = {row["relname"]: (row["rows"], row["bytes"]) for row in (*plain, *rows)}
    found.tables = sorted(
        ((name, *size) for name, size in sizes.items()), key=lambda table: -table[2]
    )
