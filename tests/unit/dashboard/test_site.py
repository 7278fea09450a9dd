"""A page judges figures by what the rule file says of the series that it shows."""

from pathlib import Path

import pytest

from agents.dashboard.app import Dashboard
from agents.runtime.settings import Settings

RULES = """
version: 1
channels: []
rules:
  - {name: all, kind: burn_rate, objective: 99.9, severity: high}
  - {name: each, kind: burn_rate, each: operation, objective: 95, severity: high}
"""


@pytest.mark.parametrize(("operation", "objective"), [("*", 99.9), ("parse", 95.0)])
def test_an_operation_is_judged_by_its_own_objective(
    tmp_path: Path, operation: str, objective: float
):
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    made = Dashboard(Settings(_env_file=None, rule_file=str(file)))
    assert made.site.promises(operation).objective == objective
