"""A worker ends when it is told to, also before it has begun."""

import asyncio
import os
import signal
from typing import Any

import pytest

from agents.kafka import topic_creation
from agents.runtime.settings import Settings
from agents.worker import process


async def test_a_worker_that_still_waits_for_kafka_ends_at_sigterm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_answer(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    async def work(_: asyncio.Event) -> None:
        pytest.fail("it began without Kafka")

    monkeypatch.setattr(topic_creation, "ensure", no_answer)
    try:
        async with asyncio.timeout(5):
            await process._main(Settings(_env_file=None), "measure", work)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
