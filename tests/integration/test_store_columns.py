"""The lists of columns that `store` writes are those that the migrations make."""

import asyncio

import pytest

from streams.history import record_tables, tables
from tests.integration.stored_rows import rows

TYPES = {
    "name": {"text"},
    "text": {"text", "character varying"},
    "json": {"jsonb"},
    "texts": {"ARRAY"},
    "int4": {"integer"},
    "int8": {"bigint"},
    "float8": {"double precision"},
    "numeric": {"numeric"},
    "bool": {"boolean"},
    "time": {"timestamp with time zone"},
    "local time": {"timestamp without time zone"},
    "uuid": {"uuid"},
    "bytes": {"bytea"},
}


@pytest.fixture
def columns(history: str) -> dict[str, dict[str, str]]:
    found = asyncio.run(
        rows(
            history,
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'opwatch'",
        )
    )
    by_table: dict[str, dict[str, str]] = {}
    for row in found:
        by_table.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    return by_table


def test_the_lists_of_columns_are_what_the_migrations_make(columns: dict[str, dict[str, str]]):
    lists = [
        table
        for module in (tables, record_tables)
        for table in vars(module).values()
        if isinstance(table, tables.HistoryTable)
    ]
    assert len(lists) == 11
    for table in lists:
        assert list(table.columns) == list(columns[table.name]), table.name
        for name, kind in table.columns.items():
            assert columns[table.name][name] in TYPES[kind], (table.name, name)
