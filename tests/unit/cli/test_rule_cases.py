"""`opwatch rules test` says what was expected and what was not."""

import json
from pathlib import Path

import pytest

from agents.rule_file.load import BadRuleFile, parse
from agents.rule_tests.aggregates import aggregates
from agents.rule_tests.cases import OperationsMinutes, ServiceMinutes, values
from agents.rule_tests.run import failures, parse_tests
from schemas.aggregates import AggregateRecord
from tests.unit.cli.command import opwatch
from tests.unit.cli.rule_samples import RULES, START_MS

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
