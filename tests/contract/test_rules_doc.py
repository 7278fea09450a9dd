"""Hold docs/rules.md to what opwatch does: each example is loaded, each test case run."""

import re
from pathlib import Path

import pytest

from agents.rule_file.load import LoadedRules, parse
from agents.rule_tests.cases import RuleTest
from agents.rule_tests.run import failures, load_tests, parse_tests
from schemas.breaches import Breach
from schemas.rule_kinds import RULE_MODELS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[LoadedRules, list[RuleTest]]]:
    """Return each rule file of the page with the cases that follow it."""
    found: list[tuple[LoadedRules, list[RuleTest]]] = []
    for block in BLOCKS:
        if block.startswith("rule_file:"):
            found[-1][1].extend(parse_tests(block, Path("docs/rules.md")).tests)
        else:
            found.append((parse(block, "docs/rules.md"), []))
    return found


CASES = [(case, rules) for rules, cases in examples() for case in cases]


@pytest.mark.parametrize(("case", "rules"), CASES, ids=lambda it: getattr(it, "name", ""))
def test_an_example_does_what_the_page_says(case: RuleTest, rules: LoadedRules):
    assert failures(case, rules) == []


def test_every_kind_has_an_example_with_cases():
    shown = {rule.kind for rules, cases in examples() if cases for rule in rules.rules.rules}
    assert shown == set(RULE_MODELS)
    for kind in RULE_MODELS:
        assert f"\n## {kind}: " in PAGE


def test_the_breach_is_one():
    (text,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    breach = Breach.model_validate_json(text)
    assert breach.model_fields_set == set(Breach.model_fields)


def test_the_shipped_rules_do_what_their_tests_say():
    tests = load_tests(ROOT / "config" / "opwatch.tests.yaml")
    assert {rule.name for rule in tests.rules.rules.rules} == {
        rule for case in tests.file.tests for rule in case.rules
    }
    for case in tests.file.tests:
        assert failures(case, tests.rules) == [], case.name
