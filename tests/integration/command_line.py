"""Run the command line as a person does, under a topic prefix of its own."""

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.kafka.reader import topic_reader
from agents.runtime.settings import Settings
from tests import preloaded


class Cli:
    """The command line under a topic prefix of its own."""

    def __init__(self, kafka: str, folder: Path) -> None:
        self.prefix = f"test-cli-{uuid.uuid4().hex[:8]}."
        self.kafka = kafka
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")
        } | {
            "OPWATCH_KAFKA_BOOTSTRAP": kafka,
            "OPWATCH_TOPIC_PREFIX": self.prefix,
            "OPWATCH_PARTITIONS": "3",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONUNBUFFERED": "1",
        }
        self.settings = Settings(
            _env_file=None, kafka_bootstrap=kafka, topic_prefix=self.prefix, partitions=3
        )

    def __call__(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return preloaded.run(
            arguments, environment=self.environment | environment, folder=self.folder, stdin=stdin
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "agents.cli", *arguments],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def topic(self, name: str) -> list[Any]:
        async def read() -> list[Any]:
            async with topic_reader(self.settings, self.prefix + name, committed=True) as topic:
                await topic.from_time(None)
                return [record async for record in topic.to_the_end()]

        return asyncio.run(read())

    def publish(self, name: str, records: Sequence[dict[str, Any]]) -> None:
        async def send() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.kafka) as producer:
                for record in records:
                    await producer.send_and_wait(self.prefix + name, **record)

        asyncio.run(send())
