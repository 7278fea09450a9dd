"""Drive RulesBeat with a clock, a broker and a table that a test puts where it wants them."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import agents.measure.rules as driven
from agents.kafka.fetch_unpacking import Chunk
from agents.kafka.producer import OutgoingRecord
from agents.kafka.table import TableRows
from agents.rule_file import reload as rule_source
from agents.runtime.settings import Settings
from schemas.breaches import Breach
from tests.unit.streams.rules.worlds import BASE, MINUTE_MS


class Worker:
    """A worker with one partition of `aggregates`; what it published stands in `log`."""

    def __init__(
        self, path: Path, rules: str, monkeypatch: pytest.MonkeyPatch, *, absent: bool = False
    ) -> None:
        self.now_s = float(BASE * 60)
        clock = SimpleNamespace(time=lambda: self.now_s, monotonic=lambda: self.now_s)
        monkeypatch.setattr(driven, "time", clock)
        monkeypatch.setattr(rule_source, "time", clock)
        self.path = path
        path.write_text(rules)
        if absent:
            path.unlink()
            monkeypatch.setattr(rule_source, "_DEFAULT", str(path))
        settings = Settings(rule_file=str(path), _env_file=None)
        self.tp = TP(settings.topic(driven.AGGREGATES), 0)
        self.breaches_topic = settings.topic(driven.BREACHES)
        self.log: list[OutgoingRecord] = []
        self.rows: dict[bytes, bytes] = {}
        self.end = 0
        self.told_at_ms: int | None = None
        rows = TableRows(SimpleNamespace(of=lambda _: self.rows), "changelog", self)
        self.beat = driven.RulesBeat(settings, self, lambda: self, rows)

    # as the producer

    async def publish(self, records: Iterable[OutgoingRecord]) -> None:
        self.log += records

    # as the consumer

    async def begins(self, _: str) -> dict[TP, int]:
        return {self.tp: 0}

    def end_of(self, _: TP) -> tuple[int, int | None]:
        return self.end, self.told_at_ms

    def done(self, *_: Any) -> None:
        pass

    # what a test does

    async def reads(self, *values: bytes) -> None:
        start, self.end = self.end, self.end + len(values)
        self.told_at_ms = int(self.now_s * 1000)
        records = [
            SimpleNamespace(offset=start + at, timestamp=self.told_at_ms, value=value)
            for at, value in enumerate(values)
        ]
        await self.beat.read(self.tp, Chunk(start, self.end, records))

    async def beats(self, seconds: int, *, away: bool = False) -> None:
        for _ in range(seconds):
            self.now_s += 1
            if not away:
                self.told_at_ms = int(self.now_s * 1000)
            await self.beat.beat()

    @property
    def breaches(self) -> list[Breach]:
        return [
            Breach.model_validate_json(one.value)
            for one in self.log
            if one.topic == self.breaches_topic and one.value is not None
        ]

    @property
    def minute(self) -> int:
        """The minute that has begun, counted from BASE."""
        return int(self.now_s * 1000) // MINUTE_MS - BASE
