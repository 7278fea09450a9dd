"""Read what the history holds."""

from typing import Any

from tests.integration.test_migrations import connected


async def rows(url: str, statement: str) -> list[dict[str, Any]]:
    async with connected(url) as connection:
        return [dict(row) for row in await connection.fetch(statement)]
