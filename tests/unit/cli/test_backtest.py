"""`opwatch rules backtest` says what would have opened, and compares rule files."""

import json
from pathlib import Path

from agents.rule_tests.aggregates import aggregates
from agents.rule_tests.backtest import compare, read_recording
from agents.rule_tests.cases import OperationsMinutes, ServiceMinutes
from agents.rule_tests.episodes import BreachEpisode, BreachEpisodes
from tests.unit.cli.command import ROOT, opwatch
from tests.unit.cli.rule_samples import DEFAULT, START_MS

MINUTE_MS = 60_000


def recording(path: Path, *, shuffled: bool = False) -> Path:
    """Write what `opwatch tail --json` would: partition after partition where shuffled."""
    lever = OperationsMinutes(
        series='*{platform="lever"}', count="100x30", failures="0x10 50x2 0x18"
    )
    ashby = OperationsMinutes(series='*{platform="ashby"}', count="100x30", failures="0")
    service = ServiceMinutes(service="webllm_service", status="up x20 down x3 up x7")
    records = [record for it in (lever, ashby, service) for record in aggregates(it, START_MS)]
    if not shuffled:
        records.sort(key=lambda it: it.at_ms)
    path.write_text("".join(json.dumps(it.body) + "\n" for it in records))
    return path


# ---------------------------------------------------------------- backtest


def test_a_backtest_says_what_would_have_opened_and_resolved_the_same_each_time(tmp_path: Path):
    recorded = str(recording(tmp_path / "recorded.jsonl"))
    answers = [opwatch("rules", "backtest", DEFAULT, "--input", recorded) for _ in range(2)]
    assert {it.returncode for it in answers} == {0}
    assert answers[0].stdout == answers[1].stdout
    text = answers[0].stdout
    assert "2026-03-02 00:00 to 2026-03-02 00:30 UTC, 90 windows of 3 series" in text
    assert "high 00:10–00:" in text
    assert "critical 00:20–00:23 (3m)" in text
    assert "performance_degradation" in text
    assert "nothing opened" in text
    assert "times real time" in answers[0].stderr


def test_the_order_of_partitions_does_not_matter(tmp_path: Path):
    def judged(file: Path) -> str:
        return opwatch("rules", "backtest", DEFAULT, "--input", str(file), "--json").stdout

    plain = judged(recording(tmp_path / "a.jsonl"))
    assert plain == judged(recording(tmp_path / "b.jsonl", shuffled=True))
    told = [json.loads(line) for line in plain.splitlines()]
    assert [(it["rule"], (it["opened_ms"] - START_MS) // MINUTE_MS) for it in told] == [
        ("high_error_rate", 10),
        ("critical_service_failure", 20),
        ("sla_violation", 20),
    ]


def test_two_rule_files_are_compared(tmp_path: Path):
    recorded = str(recording(tmp_path / "recorded.jsonl"))
    other = tmp_path / "other.yaml"
    text = (ROOT / DEFAULT).read_text(encoding="utf-8")
    text = text.replace("threshold: 5\n", "threshold: 15\n")
    other.write_text(text.replace("threshold: 99.9\n", "threshold: 2\n"))
    answer = opwatch(
        "rules", "backtest", DEFAULT, "--input", recorded, "--against", str(other), "--json"
    )
    assert answer.returncode == 0, answer.stderr
    told = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [(it["difference"], (it["here"] or it["there"])["rule"]) for it in told] == [
        ("changed", "high_error_rate"),
        ("same", "critical_service_failure"),
        ("only here", "sla_violation"),
    ]
    answer = opwatch("rules", "backtest", DEFAULT, "--input", recorded, "--against", str(other))
    assert f"+ only {DEFAULT}, - only {other}".replace("\n", "") in answer.stdout.replace("\n", "")


def test_only_what_was_open_in_the_time_is_told(tmp_path: Path):
    recorded = str(recording(tmp_path / "recorded.jsonl"))
    span = ("--from", "2026-03-02T00:18", "--to", "2026-03-02T00:22")
    answer = opwatch("rules", "backtest", DEFAULT, "--input", recorded, "--json", *span)
    told = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {it["rule"]: it["resolved_ms"] for it in told} == {
        "critical_service_failure": None,
        "sla_violation": None,
    }


def test_what_cannot_be_judged(tmp_path: Path):
    answer = opwatch("rules", "backtest", DEFAULT)
    assert answer.returncode == 2
    assert "write when to begin, such as --from 24h" in answer.stderr
    other = tmp_path / "operations.jsonl"
    other.write_text('{"id": "a"}\n')
    answer = opwatch("rules", "backtest", DEFAULT, "--input", str(other))
    assert answer.returncode == 1
    assert f"{other}:1 is no aggregate: record one with" in answer.stderr
    other.write_text("")
    assert (
        f"{other} has no aggregates."
        in opwatch("rules", "backtest", DEFAULT, "--input", str(other)).stderr
    )


def test_a_file_keeps_the_order_within_a_series(tmp_path: Path):
    records = list(read_recording(recording(tmp_path / "b.jsonl", shuffled=True)))
    assert [it.offset for it in records] == list(range(90))
    ends = [it.aggregate.window.end_ms for it in records]
    assert ends == sorted(ends)


# ---------------------------------------------------------------- episodes


def breach(revision: int, **more: object) -> bytes:
    body = {
        "id": "b", "revision": revision, "rule": "r", "series": "s", "severity": "high",
        "opened_ms": 5, "resolved_ms": None, "why": "violated", "confirmed": False,
        "observed": 10.0, "threshold": 5.0, "unit": "%", "samples": 100, "summary": "x",
        "operator": "greater_than", "routing": {"channels": [], "cooldown_ms": 0},
    }  # fmt: skip
    return json.dumps(body | more).encode()


def test_an_episode_keeps_its_gravest_and_worst():
    episodes = BreachEpisodes()
    episodes.take(breach(1))
    episodes.take(breach(2, observed=30.0, severity="critical", summary="worst"))
    episodes.take(breach(3, observed=1.0, resolved_ms=9, why="condition_gone"))
    episodes.take(breach(2, observed=99.0))  # told again
    (episode,) = episodes.all()
    assert (episode.severity, episode.observed, episode.summary) == ("critical", 30.0, "worst")
    assert (episode.resolved_ms, episode.why) == (9, "condition_gone")


def episode(opened_ms: int, resolved_ms: int | None, severity: str = "high") -> BreachEpisode:
    return BreachEpisodes().take(breach(1, opened_ms=opened_ms, resolved_ms=resolved_ms,
                                  severity=severity))  # fmt: skip


def test_breaches_are_paired_where_they_overlap():
    here = [episode(1, 5), episode(10, 20), episode(30, None)]
    there = [episode(1, 5), episode(12, 20), episode(50, 60, "low"), episode(70, 80)]
    assert [it.difference for it in compare(here, there)] == [
        "same",
        "changed",
        "changed",
        "only there",
    ]
