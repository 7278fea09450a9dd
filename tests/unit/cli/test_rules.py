"""`opwatch rules` as a whole, and what it is made of."""

import json
from pathlib import Path

import pytest

from agents.rule_file.load import BadRuleFile, parse
from agents.rule_tests.aggregates import aggregates
from agents.rule_tests.backtest import compare, read_recording
from agents.rule_tests.cases import OperationsMinutes, ServiceMinutes, values
from agents.rule_tests.episodes import BreachEpisode, BreachEpisodes
from agents.rule_tests.run import failures, parse_tests
from schemas.aggregates import AggregateRecord
from tests.unit.cli.command import ROOT, opwatch

MINUTE_MS = 60_000
START_MS = 1_772_409_600_000  # Monday 2026-03-02 00:00 UTC
DEFAULT = "config/opwatch.yaml"
RULES = """\
rules:
  - name: errors
    kind: metric_threshold
    metric: error_rate
    each: platform
    operator: greater_than
    threshold: 5
    window: 5m
    severity: high
"""
CASES = """\
rule_file: rules.yaml
tests:
  - name: errors are told
    given:
      - series: '*{platform="lever"}'
        count: 100x10
        failures: 0x5 50x5
    expect:
      - at: 6m
        open: [{rule: errors, severity: medium}]
"""


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


# ---------------------------------------------------------------- list and check


def test_list_shows_what_each_rule_looks_at_and_who_is_told():
    answer = opwatch("rules", "list", COLUMNS="200")
    assert answer.returncode == 0
    assert "error_rate > 5% over 5m, ≥ 50 samples" in answer.stdout
    assert 'service="webllm_service"' in answer.stdout
    assert "duration_mean > 2000 ms over 5m" in answer.stdout
    for name in ("sla_violation", "cache_hit_rate", "engineering_email", "pagerduty_oncall"):
        assert name in answer.stdout


def test_check_says_that_all_is_right():
    answer = opwatch("rules", "check", DEFAULT)
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"{DEFAULT}: 6 rules, 3 channels, all right (")


def test_check_counts_one_as_one(tmp_path: Path):
    one = tmp_path / "one.yaml"
    one.write_text(RULES + "channels: [{name: ops, type: slack}]\n")
    answer = opwatch("rules", "check", str(one))
    assert answer.stdout.startswith(f"{one}: 1 rule, 1 channel, all right (")


def test_check_tells_every_mistake(tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(RULES.replace("error_rate", "eror_rate").replace("5m", "5"))
    answer = opwatch("rules", "check", str(bad))
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        (
            f"opwatch: {bad}:4:5: rules[0] errors.metric: 'eror_rate' is wrong; did you mean"
            " error_rate?"
        ),
        (
            f"opwatch: {bad}:8:5: rules[0] errors.window: 5 has no unit: write a span such as 30s,"
            " 5m or 1h30m."
        ),
    ]


def test_the_settings_name_the_file(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text(RULES)
    answer = opwatch("rules", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.stdout.startswith(f"{file}: 1 rule,")
    answer = opwatch("config", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.returncode == 0
    assert f"{file}: 1 rule," in answer.stdout
    file.write_text("rulez: []\n")
    answer = opwatch("config", "check", OPWATCH_RULE_FILE=str(file))
    assert answer.returncode == 1
    assert "no such field; did you mean rules?" in answer.stderr


def test_without_a_rule_file_the_settings_are_right_all_the_same(tmp_path: Path):
    answer = opwatch("config", "check", folder=tmp_path)
    assert answer.returncode == 0
    assert "no rules: there is no config/opwatch.yaml" in answer.stdout
    answer = opwatch("config", "check", folder=tmp_path, OPWATCH_RULE_FILE="gone.yaml")
    assert answer.returncode == 1
    assert "cannot read gone.yaml: No such file" in answer.stderr


# ---------------------------------------------------------------- test


def test_rule_tests_say_what_was_expected_and_what_was_not(tmp_path: Path):
    (tmp_path / "rules.yaml").write_text(RULES)
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES)
    answer = opwatch("rules", "test", str(cases))
    assert answer.returncode == 1
    assert "at 6m, open: expected errors, medium" in answer.stdout
    assert 'at 6m, open: not expected errors, *{platform="lever"}, high, violated' in answer.stdout
    assert answer.stderr == "opwatch: 1 of 1 rule tests failed.\n"
    cases.write_text(CASES.replace("medium", "high"))
    answer = opwatch("rules", "test", str(cases))
    assert (answer.returncode, answer.stdout) == (0, f"ok      {cases}: errors are told\n")


def test_mistakes_in_rule_tests_are_told_with_their_lines():
    with pytest.raises(BadRuleFile) as caught:
        parse_tests(CASES.replace("failures", "failurs").replace("6m", "6"), Path("f"))
    assert caught.value.sentences == [
        "f:7:9: tests[0].given[0].failurs: no such field; did you mean failures?",
        "f:9:9: tests[0].expect[0].at: 6 has no unit: write a span such as 30s, 5m or 1h30m.",
    ]


def test_a_rule_that_is_not_there_is_no_passed_test():
    file = parse_tests(CASES.replace("rule: errors", "rule: erors"), Path("f"))
    assert failures(file.tests[0], parse(RULES, "r")) == ["r has no rule 'erors'"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", [5.0]),
        ("5x3", [5.0, 5.0, 5.0]),
        ("0+10x3", [0.0, 10.0, 20.0]),
        ("20-15x3", [20.0, 5.0, 0.0]),
        ("1.5 _ _x2 2", [1.5, None, None, None, 2.0]),
        ("up x2 down", ["up", "up", "down"]),
    ],
)
def test_values_a_minute(text: str, expected: list[object]):
    assert values(text) == expected


@pytest.mark.parametrize("text", ["", "5y3", "x3", "5x", "-5", "5x99999", "Up"])
def test_what_are_no_values(text: str):
    with pytest.raises(ValueError, match=r"write|at most"):
        values(text)


def test_what_a_case_gives_are_real_aggregates():
    series = OperationsMinutes(
        series="parse_job_data", count="0 100", failures=1, duration_ms=20, lookups=5, hits=4,
        ttl_s=1, confidence=80,
    )  # fmt: skip
    trend = OperationsMinutes(series="*", window="1h", count="10", trend="degrading")
    service = ServiceMinutes(service="s", status="up silent unknown")
    for given in (series, trend, service):
        for record in aggregates(given, START_MS):
            AggregateRecord.model_validate_json(json.dumps(record.body))


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
