"""A heartbeat counts if its service sent it and its clock can be right."""

import json
from typing import Any

import pytest

from streams.measure.window_times import TimeLimits
from streams.record_limits import RefusedRecord
from streams.services.heartbeat_reader import read_heartbeat
from streams.services.missed_beats import Beat
from tests.unit.streams.analysis_samples import NOW_MS, SampleRecord

LIMITS = TimeLimits(lateness_ms=3_600_000, future_ms=60_000)


def read(key: bytes | None = b"api", came_ms: int = NOW_MS, **fields: Any) -> Any:
    value = json.dumps({"service": "api", "sent_at": NOW_MS} | fields).encode()
    return read_heartbeat(SampleRecord(0, came_ms, key, value), LIMITS)


@pytest.mark.parametrize(
    ("fields", "beat"),
    [
        ({}, Beat(NOW_MS, 0, 0, 10_000, None)),
        ({"status": "degraded", "message": "slow"}, Beat(NOW_MS, 0, 1, 10_000, "slow")),
        ({"status": "down", "every_s": 0.5}, Beat(NOW_MS, 0, 2, 500, None)),
        ({"sent_at": "2026-09-21T14:13:20Z"}, Beat(NOW_MS, 0, 0, 10_000, None)),
        ({"sent_at": "2026-09-21T14:13:20"}, Beat(NOW_MS, 0, 0, 10_000, None)),
        ({"came_ms": NOW_MS + 3_600_000}, Beat(NOW_MS, 3_600_000, 0, 10_000, None)),
        ({"came_ms": NOW_MS - 60_000}, Beat(NOW_MS, -60_000, 0, 10_000, None)),
    ],
)
def test_a_heartbeat_says_how_a_service_was_and_when(fields: dict[str, Any], beat: Beat):
    assert read(**fields) == ("api", beat)


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"came_ms": NOW_MS + 3_600_001}, "too_old", "sent 3600 s before it came"),
        ({"came_ms": NOW_MS - 60_001}, "from_future", "sent 60 s after it came"),
        ({"key": b"web"}, "wrong_key", "the key is b'web', not the service 'api'"),
        ({"key": None}, "wrong_key", "the key is none, not the service 'api'"),
        ({"service": ""}, "invalid_heartbeat", "service"),
        ({"status": "fine"}, "invalid_heartbeat", "status"),
        ({"every_s": 0}, "invalid_heartbeat", "every_s"),
        ({"every_s": "10"}, "invalid_heartbeat", "every_s"),
        ({"message": "x" * 1_001}, "invalid_heartbeat", "message"),
    ],
)
def test_what_is_refused_has_its_reason(fields: dict[str, Any], reason: str, detail: str):
    refused = read(**fields)
    assert isinstance(refused, RefusedRecord)
    assert refused.reason == reason
    assert detail in refused.detail


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "null_value"), (b"", "invalid_json"), (b"{", "invalid_json"),
     (b"[]", "invalid_heartbeat"), (b"[" * 10_000, "invalid_json")],
)  # fmt: skip
def test_what_is_no_heartbeat_at_all_is_refused(value: bytes | None, reason: str):
    refused = read_heartbeat(SampleRecord(0, NOW_MS, b"api", value), LIMITS)
    assert isinstance(refused, RefusedRecord)
    assert refused.reason == reason
