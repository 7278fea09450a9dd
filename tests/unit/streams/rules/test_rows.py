"""A row holds what its rules need, and no more."""

import pytest

from streams.rules.evaluator import Evaluator, read_aggregate
from streams.rules.series_state import unpack_series
from tests.unit.streams.rules.worlds import BASE, MINUTE_MS, operations, rule_file, threshold

SPREAD = [float(10 + 7 * number % 990) for number in range(500)]
BURN = {"name": "burn", "kind": "burn_rate", "objective": 99.9}


def row_after(hours: int, *rules: dict) -> tuple[int, dict[str, set[bytes]]]:
    """Return a row's size, and by window size with what byte its digests begin."""
    packed: dict[bytes, bytes] = {}
    evaluation = Evaluator(rule_file(*rules), "h", packed=packed)
    offset = 0
    for minute in range(60 * hours):
        for size, length in (("1m", 1), ("5m", 5), ("1h", 60)):
            if (minute + 1) % length == 0:
                spread = SPREAD[: 20 if size == "1m" else 500]
                told = operations(minute + 1 - length, 1000, size=size, durations=spread)
                stamp_ms = (BASE + minute + 1) * MINUTE_MS
                evaluation.evaluate(offset, stamp_ms, read_aggregate(told))
                offset += 1
    evaluation.take_changes()
    row = unpack_series(packed[b"operations/*"])
    digests = {
        name: {held.digest[:1] for held in windows.values() if held.digest}
        for name, windows in (("1m", row.minutes), ("5m", row.fives), ("1h", row.hours))
    }
    return len(packed[b"operations/*"]), digests


@pytest.mark.parametrize(
    ("window", "kept"), [("5m", {"1m"}), ("3h", {"1m", "5m", "1h"}), ("24h", {"1m", "5m", "1h"})]
)
def test_digests_are_kept_only_where_a_span_needs_them_and_packed(window: str, kept: set) -> None:
    slow = threshold(name="slow", metric="duration_p95", threshold=500.0, window=window)
    size, digests = row_after(8, slow, BURN)
    assert {name for name, first in digests.items() if first} == kept
    assert all(first <= {b"\1", b"\2", b"\3"} for first in digests.values())
    assert size < (60_000 if window == "5m" else 400_000)
