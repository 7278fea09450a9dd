"""Give tests the command line on a real Kafka, and a history in a real PostgreSQL."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from tests.databases import database
from tests.history import Operations, some_operations, store, windows_of
from tests.integration.command_line import Cli
from tests.receivers.certificates import Certificates

_WEEK_AND_MORE_MS = 9 * 86_400_000

# Else what fails there would say no values.
pytest.register_assert_rewrite("tests.integration.dashboard_claims")


@pytest.fixture(scope="session", autouse=True)
def _few_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the system have one authority: reading a hundred for each HTTP client takes longest."""
    with pytest.MonkeyPatch.context() as patch:
        ca_file = Certificates(tmp_path_factory.mktemp("authorities")).ca_file
        patch.setenv("SSL_CERT_FILE", str(ca_file))
        yield


@pytest.fixture
def bare(kafka: str, tmp_path: Path) -> Iterator[Cli]:
    """Return the command line without topics; those a test makes are removed."""
    cli = Cli(kafka, tmp_path)
    yield cli

    async def remove() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        ours = [name for name in await admin.list_topics() if name.startswith(cli.prefix)]
        if ours:
            await admin.delete_topics(ours)
        await admin.close()

    asyncio.run(remove())


@pytest.fixture
def cli(bare: Cli) -> Cli:
    """Return the command line with its topics, made as `topics create` makes them."""
    asyncio.run(topic_creation.ensure(bare.settings, everything(bare.settings)))
    return bare


class Measured(NamedTuple):
    """A history, and the operations that it is made of: nine days from Monday, 2 March 2026."""

    url: str
    operations: list[Operations]

    def during(self, start: datetime, end: datetime) -> dict[str, Operations]:
        """Return the operations in the whole minutes of a span, by series."""
        first, last = -(-start.timestamp() // 60) * 60_000, end.timestamp() // 60 * 60_000
        parts = [part.during(int(first), int(last)) for part in self.operations]
        found = {f'*{{platform="{part.platform}"}}': part for part in parts}
        columns = [np.concatenate([part[column] for part in parts]) for column in range(2, 6)]
        kinds = [kind for part in parts for kind in part.error_types]
        return found | {"*": Operations("*", "", *columns, kinds)}


@pytest.fixture(scope="session")
def measured(postgres: str) -> Iterator[Measured]:
    """Return a history that tests only read."""
    start_ms = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
    span_ms = start_ms + 10 * 3_600_000, start_ms + _WEEK_AND_MORE_MS
    parts = [
        some_operations("parse", platform, span_ms, 20_000, minutes=250, failing=failing, seed=seed)
        for seed, (platform, failing) in enumerate({"lever": 0.03, "ashby": 0.1}.items(), 1)
    ]

    async def fill(url: str) -> None:
        connection = await asyncpg.connect(url)
        await store(connection, windows_of(parts))
        await connection.close()

    with database(postgres) as url:
        asyncio.run(fill(url))
        yield Measured(url, parts)
