"""Write the SQL that stages entries and merges them into their table."""

from streams.history.tables import HistoryTable

#: A transaction that is left open, as by a worker whose network is gone, ends by itself.
BEGIN = """
BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL statement_timeout = {timeout_ms};
SET LOCAL lock_timeout = {lock_timeout_ms};
SET LOCAL idle_in_transaction_session_timeout = {timeout_ms};
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL synchronous_commit = on
"""
#: In the order of topics and partitions, so that two workers never wait for one another.
LOCK_OFFSETS = """
WITH ours AS (
  INSERT INTO "{schema}".consumed_offsets AS stored (topic, partition, topic_id, next_offset)
  SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[]) ORDER BY 1, 2
  ON CONFLICT (topic, partition) DO UPDATE SET topic_id = stored.topic_id
  RETURNING topic, partition, topic_id, next_offset
)
SELECT * FROM ours
"""
WRITE_OFFSETS = """
UPDATE "{schema}".consumed_offsets AS stored
SET next_offset = read.next_offset, topic_id = read.topic_id, written_at = now()
FROM unnest($1::text[], $2::int[], $3::text[], $4::bigint[])
  AS read (topic, partition, topic_id, next_offset)
WHERE stored.topic = read.topic AND stored.partition = read.partition
"""
MAKE_PARTITION = 'SELECT "{schema}".make_partition($1, $2, $3)'
VERSION = 'SELECT version_num FROM "{schema}".alembic_version'


def staging(table: HistoryTable) -> str:
    """Return the name of the table that a table's entries are copied to."""
    return f"staged_{table.name}"


def stage(schema: str, table: HistoryTable) -> str:
    """Return what makes the staging table, which the end of the transaction removes."""
    names = _names(table)
    return (
        f"CREATE TEMPORARY TABLE {staging(table)} ON COMMIT DROP AS"  # noqa: S608 - our own names
        f' SELECT {names} FROM "{schema}".{table.name} WITH NO DATA'
    )


def merge(schema: str, table: HistoryTable) -> str:
    """Return what merges the staged entries: a newer one replaces, an older one never does."""
    names = _names(table)
    key = ", ".join(f'"{name}"' for name in table.key)
    updates = ", ".join(
        f'"{name}" = excluded."{name}"' for name in table.columns if name not in table.key
    )
    statement = (
        f'INSERT INTO "{schema}".{table.name} AS stored ({names})'  # noqa: S608 - our own names
        f" SELECT {names} FROM pg_temp.{staging(table)}"
        f" ON CONFLICT ({key}) DO UPDATE SET {updates}"
    )
    comparison = "<" if table.keeps_first else ">="
    if table.order_sql:
        theirs, ours = table.order_sql.format("excluded"), table.order_sql.format("stored")
        return f"{statement} WHERE {theirs} {comparison} {ours}"
    if table.order:
        theirs = ", ".join(f'excluded."{name}"' for name in table.order)
        ours = ", ".join(f'stored."{name}"' for name in table.order)
        return f"{statement} WHERE ({theirs}) {comparison} ({ours})"
    return statement


def _names(table: HistoryTable) -> str:
    return ", ".join(f'"{name}"' for name in table.columns)
