"""What Grafana and Prometheus are given to ask for are metrics that exist."""

import json
import re
from pathlib import Path

import prometheus_client
import pytest
import yaml

from agents.alert import metrics as of_alerts
from agents.dashboard.exposition import Exposition
from agents.dashboard.following import Follower
from agents.dashboard.freshness import Freshness
from agents.dashboard.page import Parts
from agents.dashboard.role_states import RoleStates
from agents.dashboard.stored_windows import StoredWindows
from agents.dashboard.world import World
from agents.runtime import metrics as of_workers
from agents.runtime.settings import Settings
from agents.store import metrics as of_store
from schemas.rule_file import RuleFile
from streams.dashboard.targets import DEFAULT, parse_targets
from streams.dashboard.tiles import Promises
from streams.rules.error_budget import Objectives

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
_METRIC = re.compile(r"\b(?:opwatch|process)_\w+")
_SUFFIXES = re.compile(r"_(?:total|bucket|sum|count)$")


def existing() -> set[str]:
    """Return the names of all metrics of workers and of the dashboard."""
    assert of_alerts
    assert of_workers
    assert of_store
    settings = Settings(_env_file=None)
    world = World(settings)
    follower = Follower(settings, [])
    follower.caught_up.set()
    stored, roles = StoredWindows(settings, world), RoleStates(settings)
    freshness = Freshness(settings, follower, world, stored, roles)
    promises = Promises(parse_targets(DEFAULT), None, None)
    parts = Parts(world, freshness, lambda: promises, lambda *_, **__: "")
    objectives = Objectives(RuleFile.model_validate({"version": 1, "rules": [], "channels": []}))
    exposition = Exposition(parts, lambda: objectives, lambda: 0)
    names = {family.name for family in exposition.collect()}
    return names | {family.name for family in prometheus_client.REGISTRY.collect()}


def unknown(texts: list[str]) -> set[str]:
    asked = {name for text in texts for name in _METRIC.findall(text)}
    assert asked
    names = existing() | {"process_resident_memory_bytes"}
    return {name for name in asked if name not in names and _SUFFIXES.sub("", name) not in names}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_grafana_dashboard_asks_for_metrics_that_exist(file: Path):
    dashboard = json.loads(file.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert unknown(asked) == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_grafana_dashboard_can_be_provisioned(file: Path):
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == file.stem
    assert isinstance(dashboard["schemaVersion"], int)  # the classic form
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"


def test_prometheus_rules_ask_for_metrics_that_exist():
    groups = yaml.safe_load((DEPLOY / "prometheus" / "opwatch.rules.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert unknown([rule["expr"] for rule in rules if "opwatch_" in rule["expr"]]) == set()
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)
