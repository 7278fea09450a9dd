"""Whatever somebody writes to `aggregates`: rules use what they can, and never stumble over it."""

import json
from typing import Any

import pytest

from schemas.spans import DAY_MS, MINUTE_MS
from streams.rules.aggregate_reader import OperationsRecord
from streams.rules.evaluator import Evaluator, read_aggregate
from tests.unit.streams.rules.worlds import BASE, World, operations, rule_file, service, threshold

RULES = (
    threshold(),
    threshold(name="slow", metric="duration_p95", threshold=500.0),
    {"name": "worse", "kind": "trend", "window": "1h", "evaluations": 1},
)
EVIDENCE = {"baseline_rate": 0.99, "baseline_count": 900, "rate": 0.9, "count": 900}
HOUR = {"size": "1h", "start_ms": BASE * MINUTE_MS, "end_ms": (BASE + 60) * MINUTE_MS}


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(operations(0, 10, 9, final=False)) | fields).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"digest": strange}
        for strange in (
            [],
            None,
            5,
            "x",
            {"n": 0},
            {"n": 1, "centroids": [{"m": 1e39, "c": 1}]},
            {"n": 1, "centroids": [{"m": 1.0, "c": -5}]},
            {"n": 1, "centroids": [{"m": 1.0, "c": 0}]},
        )
    ]
    + [{"exemplars": strange} for strange in (5, None, {}, [1], [{"id": 1}])],
)
def test_without_its_digest_or_exemplars_an_aggregate_still_counts(fields: dict[str, Any]) -> None:
    packed: dict[bytes, bytes] = {}
    evaluation = Evaluator(rule_file(*RULES), "h", packed=packed)
    (opened,) = evaluation.evaluate(0, (BASE + 1) * MINUTE_MS, read_aggregate(changed(**fields)))
    told = json.loads(opened.value)
    assert (told["rule"], told["observed"]) == ("high_error_rate", 90.0)
    evaluation.evaluate(1, (BASE + 2) * MINUTE_MS, read_aggregate(operations(1, 10, 9)))
    evaluation.take_changes()
    assert Evaluator(rule_file(*RULES), "h", packed=packed).firing == 1


@pytest.mark.parametrize(
    "strange",
    [
        *(
            changed(window=HOUR, final=True, trend=trend)
            for trend in (
                5,
                {},
                {"verdict": "sideways", "evidence": EVIDENCE},
                {"verdict": "stable", "evidence": {"count": "x"}},
                {"verdict": "stable", "evidence": EVIDENCE | {"rate": 1.5}},
                {"verdict": "stable", "evidence": EVIDENCE | {"count": 1e300}},
            )
        ),
        changed(duration_ms={"sum": 1e308}),
        changed(duration_ms={"sum": -1.0}),
        changed(count=10**30),
        changed(count=-10),
        changed(mean_confidence=1e300, confidence_count=5),
        changed(window={"size": "1m", "start_ms": -60_000, "end_ms": 0}),
        changed(window={"size": "1m", "start_ms": 0, "end_ms": 60_000}),
        changed(window={"size": "1m", "start_ms": 10**18, "end_ms": 10**18 + 60_000}),
        changed(series={"operation": "\ud800"}),
        service(0, up_ms=-1),
        service(0, down_ms=10**30),
        b"[]",
    ],
)
def test_what_no_row_could_hold_is_refused(strange: bytes) -> None:
    assert read_aggregate(strange) is None


def test_a_window_of_years_ahead_would_end_all_before_it() -> None:
    ahead = operations(5_256_000, 10)
    assert read_aggregate(ahead) is not None
    assert read_aggregate(ahead, BASE * MINUTE_MS) is None
    assert read_aggregate(operations(60, 10), BASE * MINUTE_MS) is not None


def test_sums_that_were_cut_off_are_summed_up() -> None:
    told = read_aggregate(changed(duration_ms={"sum": (2**63 - 1) / 1000}))
    assert isinstance(told, OperationsRecord)
    most = 2**63 - 1
    cache = {"hits": 0, "misses": most, "evictions": 0, "average_ttl_s": 9e15, "ttl_count": most}
    world = World(*RULES)
    assert world.read(changed(duration_ms={"sum": 9e15}, cache=cache))
    world.evaluation.take_changes()


def test_a_minute_of_long_ago_does_not_hold_the_others_up() -> None:
    silent = {"name": "silent", "kind": "no_data", "after": "5m", "each": "operation"}
    world = World(*RULES, silent)
    window = {"size": "1m", "start_ms": DAY_MS, "end_ms": DAY_MS + 60_000}
    world.minutes(0, [0, 0])
    long_ago = changed(window=window, series={"operation": "parse"})
    world.evaluation.evaluate(2, (BASE + 2) * MINUTE_MS, read_aggregate(long_ago))
    world.offset = 3
    world.minutes(2, [0, 0])
    assert world.evaluation.evaluated == 5


def test_a_trend_is_told_in_the_same_bytes_after_a_restart() -> None:
    packed: dict[bytes, bytes] = {}
    trend = {"verdict": "degrading", "evidence": EVIDENCE}
    evaluation = Evaluator(rule_file(*RULES), "h", packed=packed)
    evaluation.evaluate(
        0, BASE * MINUTE_MS, read_aggregate(operations(0, 900, size="1h", trend=trend))
    )
    evaluation.take_changes()
    again = Evaluator(rule_file(*RULES), "h", packed=dict(packed))
    minute = (BASE + 61) * MINUTE_MS, read_aggregate(operations(61, 10))
    said = evaluation.evaluate(1, *minute)
    assert said
    assert again.evaluate(1, *minute) == said
