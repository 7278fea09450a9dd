"""A recorded operation, and how files of them are read."""

import io
from typing import Any

from agents.replay.encodings import in_utf8
from agents.replay.formats import recording
from agents.replay.recordings import RecordingReader

WHEN_MS = 1_790_000_000_000
GOOD = {
    "id": "1",
    "operation": "parse",
    "occurred_at": WHEN_MS,
    "success": True,
    "duration_ms": 1.5,
}


def read(raw: bytes, kind: str, *mappings: str, encoding: str | None = None) -> Any:
    file, encoding = in_utf8(io.BytesIO(raw), encoding)
    reader = RecordingReader(recording(kind, mappings), "file", encoding)
    return list(reader.read(file)), reader
