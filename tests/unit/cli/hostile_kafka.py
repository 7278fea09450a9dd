"""A Kafka that only reads the hostile topics, and takes all that is published."""

from types import SimpleNamespace
from typing import Any

from agents.cli import ask_worker
from agents.kafka import reader
from agents.replay import batch_publisher
from agents.runtime.settings import Settings
from tests.unit.cli.hostile_world import ANSWERS, TOPICS


class Consumer:
    """Reads the hostile topics."""

    def __init__(self, **_: Any) -> None:
        self._at: dict[Any, int] = {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, partitions: Any) -> None:
        self._at = dict.fromkeys(partitions, 0)

    async def seek_to_beginning(self, *partitions: Any) -> None:
        self._at |= dict.fromkeys(partitions, 0)

    def seek(self, partition: Any, offset: int) -> None:
        self._at[partition] = offset

    async def position(self, partition: Any) -> int:
        return self._at[partition]

    async def end_offsets(self, partitions: Any) -> dict[Any, int]:
        return {tp: len(_records(tp)) for tp in partitions}

    async def offsets_for_times(self, times: Any) -> dict[Any, Any]:
        return {tp: SimpleNamespace(offset=0) for tp in times}

    async def getmany(self, **_: Any) -> dict[Any, list[Any]]:
        found = {}
        for tp, at in self._at.items():
            later = ANSWERS if tp.topic.endswith("notifications") else []
            held = [*_records(tp), *later]
            found[tp] = [
                SimpleNamespace(**(vars(one) | {"offset": at + number}))
                for number, one in enumerate(held[at:])
            ]
            self._at[tp] = len(held)
        return found


def _records(partition: Any) -> list[Any]:
    return TOPICS[partition.topic.removeprefix("opwatch.")]


def install(monkeypatch: Any) -> None:
    """Put the world in Kafka's place."""

    async def one(_: Settings, name: str, *_rights: str) -> int:
        return 1 if name.removeprefix("opwatch.") in {*TOPICS, "commands"} else 0

    async def published(_: Settings, asked: Any) -> list[int]:
        return [99] * len(asked)

    monkeypatch.setattr(reader, "AIOKafkaConsumer", Consumer)
    monkeypatch.setattr(reader, "read_all", lambda _: None)  # it changes aiokafka for good
    from agents.cli import redrive

    for module in (reader, ask_worker, batch_publisher, redrive):
        monkeypatch.setattr(module, "partitions", one)
    monkeypatch.setattr(ask_worker, "_publish", published)
