"""What docs/reports.md shows runs as it stands there."""

import os
import re
import shlex
from pathlib import Path

import asyncpg
import pytest

from tests import preloaded
from tests.integration.conftest import Measured
from tests.pasted import commands_of

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
QUERIES = [
    query.strip()
    for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    for query in block.split(";\n")
    if query.strip()
]
COMMANDS = [
    command.text.partition("#")[0].strip()
    for command in commands_of(PAGE)
    if not command.text.startswith("opwatch db psql")
]
#: What Grafana writes in place of its macros.
_MACROS = {
    "$__timeFilter(start_at)": "start_at BETWEEN '2026-03-03T00:00:00Z' AND '2026-03-05T00:00:00Z'",
    "$__timeFrom()": "'2026-03-03T00:00:00Z'",
    "$__timeTo()": "'2026-03-05T00:00:00Z'",
}


@pytest.mark.parametrize("query", QUERIES)
async def test_each_query_of_the_page_runs(query: str, measured: Measured):
    for macro, text in _MACROS.items():
        query = query.replace(macro, text)
    connection = await asyncpg.connect(measured.url)
    try:
        await connection.fetch(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_page_runs(command: str, measured: Measured, tmp_path: Path):
    name, *arguments = shlex.split(command)
    assert name == "opwatch"
    done = preloaded.run(
        arguments,
        environment=os.environ
        | {
            "METRICS_DATABASE_URL": measured.url,
            "OPWATCH_RULE_FILE": str(Path(__file__).parents[2] / "config/opwatch.yaml"),
        },
        folder=tmp_path,
    )
    assert done.returncode in (0, 1), done.stderr  # nothing to report is 1
    assert "Please report it" not in done.stderr


async def test_each_view_and_function_has_a_comment_and_stands_on_the_page(measured: Measured):
    connection = await asyncpg.connect(measured.url)
    found = await connection.fetch(
        "SELECT proname AS name, obj_description(oid, 'pg_proc') AS comment FROM pg_proc"
        " WHERE pronamespace = 'opwatch'::regnamespace AND prolang <> 0"
        " UNION ALL SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relnamespace = 'opwatch'::regnamespace AND relkind = 'v'"
    )
    await connection.close()
    inner = {"make_partition", "window_ranges", "quality_windows_in"}
    ours = [row for row in found if row["name"] not in inner]
    assert ours
    assert [row["name"] for row in ours if not row["comment"]] == []
    assert [row["name"] for row in ours if f"`{row['name']}" not in PAGE] == []
