"""Give tests the command line on a real Kafka."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import topic_creation
from agents.kafka.role_topics import everything
from tests.integration.command_line import Cli


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
