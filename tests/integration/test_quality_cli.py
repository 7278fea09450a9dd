"""`opwatch quality` shows what stands on `quality-scores` of a real Kafka."""

import asyncio
import json
import time
from typing import Any

import pytest

from agents.quality.score_log import read_analysis
from tests.integration.command_line import Cli

NOW_MS = int(time.time() * 1000)


def record(analysis: str, overall: float | None, **changed: Any) -> dict[str, Any]:
    finding = {
        "code": "invented_quote",
        "dimension": "accuracy",
        "message": 'The quote "five cats" is not in the input.',
        "cost": 0.6,
        "field": "title",
    }
    score = {
        "analysis": analysis,
        "service": "job-parser",
        "operation": "analyze_job",
        "platform": "lever",
        "model": "none",
        "occurred_at": NOW_MS,
        "overall": overall,
        "dimensions": {}
        if overall is None
        else {
            "accuracy": {
                "score": overall,
                "weight": 1.0,
                "findings": [finding],
                "assessor": "accuracy/1",
                "took_ms": 1.5,
            }
        },
        "left_out": [{"dimension": "consistency", "why": "too_slow", "detail": "after 200 ms"}],
        "actions": ["reanalyse", "human_review"],
        "configuration": "c0ffee",
        "took_ms": 2.0,
        "source": [0, 1],
    } | changed
    return {"key": analysis.encode(), "value": json.dumps(score).encode()}


@pytest.fixture
def scored(cli: Cli) -> Cli:
    cli.publish(
        "quality-scores",
        [
            record("a1", 0.95),
            record("a1", 0.31),
            record("a2", 0.92, remediates="a1"),
            record("a3", 0.5, platform="workday"),
            record("a4", None),
            {"key": b"a5", "value": b"{"},
        ],
    )
    return cli


def test_show_has_the_score_the_findings_and_what_was_left_out(scored: Cli):
    shown = scored("quality", "show", "a1")

    assert shown.returncode == 0, shown.stderr
    assert "0.31 (bad)" in shown.stdout
    assert 'accuracy, title: The quote "five cats" is not in the input.' in shown.stdout
    assert "consistency was left out, its assessor took too long: after 200 ms" in shown.stdout
    assert "reanalyse, human_review" in shown.stdout
    assert "repeated as a2: 0.92 (good)" in shown.stdout
    as_json = json.loads(scored("quality", "show", "a1", "--json").stdout)
    assert (as_json["analysis"], as_json["overall"]) == ("a1", 0.31)


def test_what_reads_a_topic_shows_how_much_is_read(scored: Cli):
    shares: list[float] = []
    found = asyncio.run(read_analysis(scored.settings, "a1", None, shares.append))

    assert found.score is not None
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)


def test_show_of_an_unknown_analysis_fails_with_a_sentence(scored: Cli):
    shown = scored("quality", "show", "nobody")

    assert (shown.returncode, shown.stdout) == (1, "")
    assert "there is no score of an analysis nobody" in shown.stderr


def test_worst_lists_the_lowest_scores_first_and_filters(scored: Cli):
    listed = scored("quality", "worst", "--json")
    assert [json.loads(line)["analysis"] for line in listed.stdout.splitlines()] == [
        "a1", "a3", "a2",
    ]  # fmt: skip
    filtered = scored("quality", "worst", "--platform", "workday")
    assert filtered.stdout.startswith("0.50  analyze_job workday none")
    assert len(filtered.stdout.splitlines()) == 2
    assert "1 of 1 results" in filtered.stderr
    assert scored("quality", "worst", "--model", "nobody").returncode == 1


def calibration(
    labels: int, revision: int, *, model: str = "rules", right: float = 0.75
) -> dict[str, Any]:
    def reliability(estimate: float) -> dict[str, Any]:
        tenth = {
            "low": 0.8, "high": 0.9, "count": labels, "mean_estimate": estimate, "accuracy": right
        }  # fmt: skip
        return {
            "count": labels,
            "bins": [tenth],
            "expected_calibration_error": abs(estimate - right),
            "brier_score": 0.2,
        }

    value = {
        "version": 1,
        "kind": "calibration",
        "series": {"service": "job-parser", "operation": "analyze_job", "model": model},
        "window": {"size": "7d", "start_ms": 0, "end_ms": 7 * 86_400_000},
        "revision": revision,
        "final": False,
        "count": labels,
        "right": round(labels * right),
        "accuracy": right,
        "confidence": reliability(0.85),
        "overall": reliability(0.9),
    }
    key = f'calibration{{service="job-parser",operation="analyze_job",model="{model}"}}/7d/0'
    return {"key": key.encode(), "value": json.dumps(value).encode()}


def test_calibration_stands_beside_its_sample_size_else_it_is_unknown(cli: Cli):
    assert cli("quality", "calibration").returncode == 1
    cli.publish(
        "aggregates",
        [
            calibration(200, 7),
            calibration(100, 5, right=0.1),
            calibration(12, 1, model="new"),
            {"key": b"calibration{", "value": b"{"},
        ],
    )

    shown = cli("quality", "calibration")
    assert shown.returncode == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()[1:]]
    by_row = {(it[2], it[3]): it[4:] for it in lines}
    assert by_row["rules", "confidence"] == ["200", "0.85", "0.75", "(0.69–0.80)", "0.10", "0.20"]
    assert by_row["rules", "score"][1] == "0.90"
    assert by_row["new", "score"] == ["12", "–", "unknown", "unknown", "unknown"]
    as_json = cli("quality", "calibration", "--model", "new", "--json").stdout.splitlines()
    assert [json.loads(line)["count"] for line in as_json] == [12]
