"""`opwatch report` says on a real PostgreSQL how quality and its budgets went."""

import json
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.history import store
from tests.integration.reporting import moment, reports, rows_of, run


def test_quality_and_calibration_are_reported_over_time(tmp_path: Path, history: str):
    async def fill() -> None:
        connection = await asyncpg.connect(history)
        for day, (mean, right) in enumerate([(0.9, 80), (0.8, 60)]):
            start = moment("2026-03-04T00:00") + timedelta(days=day)
            await connection.execute(
                "SELECT opwatch.make_partition('quality_windows', '24h', $1)", start
            )
            await connection.execute(
                "INSERT INTO opwatch.quality_windows (series, size, start_at, end_at, dimension,"
                " operation, revision, final, missing, count, mean, min, max, std_dev, p5, p50,"
                " good, acceptable, exemplars, actions, configurations, digest) VALUES"
                " ('overall:*', '24h', $1::timestamptz, $1 + interval '1 day', 'overall', '*', 1,"
                " true, 0, 100, $2, 0, 1, 0.1, 0.5, 0.9, $3, 90, '[]', '[]', '{}', '')",
                *(start, mean, right),
            )
            await connection.execute(
                "INSERT INTO opwatch.calibrations (service, operation, model, size, start_at,"
                " end_at, revision, final, count, right_count, accuracy, confidence, overall)"
                " VALUES ('s', 'o', 'm', '24h', $1::timestamptz, $1 + interval '1 day', 1, false,"
                " 100, $2::bigint, $2 / 100.0, '{\"expected_calibration_error\": 0.2}', '{}')",
                *(start, right),
            )
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    span = ("--from", "2026-03-03", "--to", "2026-03-07", "--format", "json")
    latest, earlier = rows_of(report("quality", *span))
    assert (latest["mean"], latest["good_share"]) == (0.8, 60)
    assert latest["change"] == pytest.approx(-0.1)
    assert earlier["change"] is None
    latest, earlier = rows_of(report("calibration", *span))
    assert (latest["accuracy"], latest["confidence_error"]) == (60, 0.2)
    assert latest["change"] == pytest.approx(-20)


QUALITY_RULES = """
rules:
  - {name: good, kind: burn_rate, metric: quality_overall, objective: 90, each: platform}
  - {name: exact, kind: burn_rate, metric: quality_accuracy, objective: 80, each: model}
  - {name: fails, kind: burn_rate, objective: 95}
"""


def test_an_objective_of_quality_leaves_the_budget_computed_by_hand(tmp_path: Path, history: str):
    lever, model = {"platform": "lever"}, {"model": "m1"}
    windows = [
        quality_window("2026-02-20", 40, 10, **lever),  # of the month before
        quality_window("2026-03-04", 100, 95, **lever),
        quality_window("2026-03-05", 200, 170, **lever),
        quality_window("2026-03-05", 200, 1, **lever, dimension="accuracy"),  # of no rule
        quality_window("2026-03-05", 50, 40, **model, dimension="accuracy"),
    ]

    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await store(connection, windows)
        await connection.close()

    run(fill())
    (tmp_path / "rules.yaml").write_text(QUALITY_RULES)
    arguments = ("slo", "--to", "2026-03-10", "--rules", "rules.yaml", "--months", "2")
    found = rows_of(reports(history, tmp_path)(*arguments, "--format", "json"))
    figures = ("operations", "bad", "compliance", "is_met", "budget_left")
    named = {
        (row["rule"], row["series"], row["period"]): [row[name] for name in figures]
        for row in found
    }
    good, exact = 'overall:*{platform="lever"}', 'accuracy:*{model="m1"}'
    # Of 340 results 34 may be bad and 65 are; of 300 in March 30 and 35; of 50, 10 and 10.
    assert named == {
        ("good", good, "30 days"): pytest.approx([340, 65, 100 * 275 / 340, False, -100 * 31 / 34]),
        ("good", good, "2026-03"): pytest.approx([300, 35, 100 * 265 / 300, False, -100 * 5 / 30]),
        ("good", good, "2026-02"): pytest.approx([40, 30, 25, False, -650]),
        ("exact", exact, "30 days"): [50, 10, 80, True, 0],
        ("exact", exact, "2026-03"): [50, 10, 80, True, 0],
    }


def quality_window(day: str, count: int, good: int, **series: str) -> bytes:
    """Return a final day of scores, as it stands on `aggregates`."""
    start_ms = int(moment(day).timestamp() * 1000)
    share = good / count
    return json.dumps(
        {
            "version": 1,
            "kind": "quality",
            "series": {"dimension": "overall", "operation": "*"} | series,
            "window": {"size": "24h", "start_ms": start_ms, "end_ms": start_ms + 86_400_000},
            "revision": count,
            "final": True,
            "count": count,
            **dict.fromkeys(("mean", "min", "max", "p5", "p50"), share),
            "std_dev": 0.0,
            "good": good,
            "acceptable": count,
            "below_good": 1 - share,
            "below_acceptable": 0.0,
            "trend": None,
            "exemplars": [],
            "findings": {"most_frequent": [], "other": 0, "unnamed": 0},
            "actions": [],
            "configurations": ["c1"],
            "digest": {"n": count, "centroids": [{"m": 100.0, "c": count}]},
        }
    ).encode()
