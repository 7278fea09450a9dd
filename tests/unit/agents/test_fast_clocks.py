"""Who sends ahead of the clock is named, and the names are bounded."""

from types import SimpleNamespace

import numpy as np

from agents.folding.fast_clocks import Ahead
from agents.runtime import metrics
from streams.measure.operation_reader import Events

NOW_MS = 1_789_948_800_000
MINUTE_MS = 60_000


def events(*sent: tuple[str, int]) -> Events:
    when_ms = np.array([NOW_MS + ahead_ms for _, ahead_ms in sent], np.int64)
    operations = [SimpleNamespace(operation="parse", platform=platform) for platform, _ in sent]
    offsets = np.arange(len(sent))
    return Events(offsets, when_ms, when_ms, operations)


def test_a_fast_clock_is_named_with_partition_and_how_far():
    ahead = Ahead(MINUTE_MS)
    some = events(("right", 0), ("fast", 55 * MINUTE_MS), ("near", MINUTE_MS))
    ahead.look(3, some, 0, 3, NOW_MS)
    [remark] = ahead.remarks()
    assert "platform fast" in remark
    assert "partition 3" in remark
    assert "55.0 min ahead" in remark


def test_nobody_is_named_where_clocks_are_right():
    ahead = Ahead(MINUTE_MS)
    ahead.look(0, events(("right", 0), ("near", 900)), 0, 2, NOW_MS)
    ahead.look(0, events(), 0, 0, NOW_MS)
    assert ahead.remarks() == []


def test_many_names_become_one():
    ahead = Ahead(MINUTE_MS)
    some = events(*((f"many-{number}", 5 * MINUTE_MS) for number in range(1_000)))
    ahead.look(0, some, 0, 1_000, NOW_MS)
    assert len(ahead.remarks()) == 4
    labels = [one.labels for one in next(iter(metrics.operations_ahead.collect())).samples]
    assert {"operation": "other", "platform": "other"} in labels
    assert sum(one.get("platform", "").startswith("many-") for one in labels) <= 2 * 20
