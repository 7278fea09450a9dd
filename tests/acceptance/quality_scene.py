"""Publish analyses and labels as services do, read what comes of them, and install assessors."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from tests.acceptance import oracle
from tests.unit.streams.analysis_samples import analysis_fields

TEXT = "Lever Bakery seeks a baker in Berlin. Salary: 42,000 EUR a year, full time, from May."


def make_analysis(name: str, **changed: Any) -> dict[str, Any]:
    """Return an analysis without a fault, but for what is changed."""
    result = {
        "label": "likely_real",
        "score": 0.2,
        "confidence": 0.9,
        "fields": {"title": "baker", "company": "Lever Bakery"},
        "evidence": [{"quote": "seeks a baker in Berlin"}],
    } | changed.pop("result", {})
    found = analysis_fields(id=name, occurred_at=int(time.time() * 1000), **changed)
    found["input"] = {"hash": f"hash-{name}", "text": TEXT} | changed.get("input", {})
    found["result"] = result
    return found


class Publisher:
    """Publishes to the topics of a prefix."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5})
        self._prefix = prefix

    def analyses(self, analyses: Iterable[dict[str, Any]]) -> None:
        for analysis in analyses:
            self.send("analyses", analysis["input"]["hash"], json.dumps(analysis).encode())

    def label(self, **label: Any) -> None:
        label = {"at": int(time.time() * 1000)} | label
        self.send(
            "labels", label.get("analysis") or label["input_hash"], json.dumps(label).encode()
        )

    def send(self, topic: str, key: str | None, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key=key)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0


def latest(kafka: str, topic: str) -> dict[str, dict[str, Any]]:
    """Return the last value of each key of a topic."""
    return {
        record.key().decode(): json.loads(record.value())
        for record in oracle.read_topic(kafka, topic)
        if record.value() is not None
    }


def install_assessor(folder: Path, module: str, code: str) -> Path:
    """Write a package that brings an assessor, as pip installs it; return what is its path."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(code)
    metadata = site / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        f"[opwatch.assessors]\n{module} = {module}:Brought\n"
    )
    return site
