"""The demo accounts for each analysis once, and draws how quality changes."""

import json
from typing import Any

from examples.job_parser.quality_counting import OVERALL, QualityCounts


def record(analysis: str, overall: float | None, **changed: Any) -> bytes:
    finding = {"code": "invented_quote"}
    dimensions = {"accuracy": {"score": overall, "findings": [finding]}} if overall else {}
    body = {"analysis": analysis, "overall": overall, "dimensions": dimensions}
    return json.dumps(body | changed).encode()


def test_each_analysis_is_accounted_for_once():
    quality = QualityCounts()
    for value in (
        record("a", 0.4),
        record("a", 0.4),
        record("b", None),
        record("c", 0.9, remediates="a"),
        record("d", 0.5, remediates="b"),
    ):
        quality.score(value)
    quality.dead_letter(b"t/0/1/-")
    quality.dead_letter(b"t/0/1/-")
    quality.request(b"r1")

    accounts = quality.accounts
    assert (accounts.scored, accounts.left_out, accounts.dead_letters) == (3, 1, 1)
    assert (accounts.requested, accounts.healed, accounts.all) == (1, 1, 5)
    assert quality.findings == {"invented_quote": 3}


def test_a_trend_falls_and_is_drawn():
    now_s = 0.0
    quality = QualityCounts(lambda: now_s)
    assert quality.lines() == []
    for overall in (0.95, 0.95, 0.95, 0.7, 0.5, 0.4):
        quality.score(record(str(now_s), overall))
        now_s += 5

    trend = quality.trend(OVERALL)
    assert trend is not None
    assert (trend.direction, len(trend.drawn)) == ("↘", 6)
    assert trend.drawn[0] == "█"
    assert trend.drawn[-1] == "▁"
    assert all(len(line) <= 80 for line in quality.lines())


def test_the_largest_revision_of_each_minute_of_all_analyses_counts():
    quality = QualityCounts()

    def come(count: int, start_ms: int, **changed: Any) -> None:
        series = {"dimension": OVERALL, "operation": "*", "platform": None, "model": None}
        window = {"size": "1m", "start_ms": start_ms, "end_ms": 0}
        body = {"kind": "quality", "series": series | changed, "window": window}
        quality.window(json.dumps(body | {"revision": count, "count": count}).encode())

    come(5, 0)
    come(9, 0)
    come(7, 0)
    come(4, 60_000)
    come(3, 0, platform="lever")
    come(3, 0, dimension="accuracy")

    assert quality.accounts.in_windows == 13
