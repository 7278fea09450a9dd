"""Keep a demo's history in PostgreSQL, in a schema of its own, and show what a report says."""

import asyncio
import contextlib
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rich.console import Console

from agents.database.connection import connect
from agents.runtime.database_settings import URL_VARIABLE
from agents.runtime.settings import Settings

_LINES = 9
_REPORT_S = 10.0
#: What is counted is stored within this.
_INTERVAL_S = 1.0


def variables(environment: Mapping[str, str], prefix: str, *, mocked: bool) -> dict[str, str]:
    """Return what a worker needs to store a demo; nothing where there is no database."""
    if mocked or not environment.get(URL_VARIABLE):
        return {}
    schema = re.sub(r"[^a-z0-9]", "_", prefix.lower()).strip("_")
    return {"OPWATCH_DB_SCHEMA": schema, "OPWATCH_DB_INTERVAL_S": str(_INTERVAL_S)}


async def show(environment: Mapping[str, str], console: Console) -> None:
    """Print the first lines of `opwatch report`."""
    await asyncio.sleep(2 * _INTERVAL_S)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agents.cli", "report", "--from", "1h", "--to", _next_minute()),
        env=dict(environment) | {"COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_REPORT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return
    console.print("\nopwatch report says, of what is in PostgreSQL:", style="bold")
    for line in output.decode(errors="replace").splitlines()[:_LINES]:
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _next_minute() -> str:
    """Return the end of the present minute: reports are of whole minutes."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return (now + timedelta(minutes=1)).isoformat()


async def clear(settings: Settings) -> None:
    """Remove the demo's schema, if the database is there."""
    with contextlib.suppress(Exception):
        connection = await connect(settings)
        await connection.execute(f'DROP SCHEMA IF EXISTS "{settings.db_schema}" CASCADE')
        await connection.close()
