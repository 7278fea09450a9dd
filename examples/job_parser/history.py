"""Keep a demo's history in PostgreSQL, in a schema of its own, and show what a report says."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agents.cli.live_table import milliseconds
from agents.database.connection import connect
from agents.runtime.database_settings import URL_VARIABLE
from agents.runtime.settings import Settings

_REPORT_S = 60.0
#: What is counted is stored within this.
_INTERVAL_S = 1.0


def variables(environment: Mapping[str, str], prefix: str, *, mocked: bool) -> dict[str, str]:
    """Return what a worker needs to store a demo; nothing where there is no database."""
    if mocked or not environment.get(URL_VARIABLE):
        return {}
    schema = re.sub(r"[^a-z0-9]", "_", prefix.lower()).strip("_")
    return {"OPWATCH_DB_SCHEMA": schema, "OPWATCH_DB_INTERVAL_S": str(_INTERVAL_S)}


async def show(environment: Mapping[str, str], console: Console) -> None:
    """Print what `opwatch report` says of the platforms."""
    await asyncio.sleep(2 * _INTERVAL_S)
    report = ("report", "--from", "1h", "--to", _next_minute(), "--format", "json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agents.cli", *report),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_REPORT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        console.print(f"\nopwatch report did not answer within {_REPORT_S:.0f} s: it is not shown")
        return
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    for heading in ("platform", "operations", "success", "p50 ms", "p95 ms", "p99 ms", "cache"):
        table.add_column(heading, justify="left" if heading == "platform" else "right")
    for row in map(json.loads, output.splitlines()):
        times = [row["p50_ms"], row["p95_ms"], row["p99_ms"]]
        table.add_row(
            row["platform"] or "all",
            f"{row['operations']:,}",
            f"{row['success_rate']:.2f}%",
            *(milliseconds(it) for it in times),
            "–" if row["hit_rate"] is None else f"{row['hit_rate']:.2f}%",
        )
    console.print("\nopwatch report says, of what is in PostgreSQL:", style="bold")
    console.print(table)


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
