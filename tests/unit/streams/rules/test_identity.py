"""Each field of the rule file is in one class, and does to an open breach what its class says."""

from typing import Any, get_args

import pytest

from schemas import channels
from schemas.channels import Defaults
from schemas.rule_file import RuleFile
from schemas.rule_kinds import RULE_MODELS, WORKBOOK_PAIRS
from schemas.rules import BaseRule
from streams.rules.compiled import compile_rules
from streams.rules.identity import CLASSES, class_of
from tests.unit.streams.rules.worlds import (
    World,
    operations,
    rule_file,
    service,
    threshold,
    words,
)

#: What a rule inherits; the rest of the file is the alert role's, and no breach rests on it.
OF_DEFAULTS = {"cooldown": "ROUTES", "channels": "ROUTES", "runbook": "SHOWS",
               "dashboard": "SHOWS", "labels": "SHOWS", "mute_time_intervals": "ROUTES",
               "active_time_intervals": "ROUTES"}  # fmt: skip
OF_FILE = {"version", "defaults", "time_intervals", "channels", "rules"}
OF_CHANNELS = {
    "name", "enabled", "severities", "fallback", "template", "type", "to", "from", "tls", "channel",
    "webhook_url_env", "service_key_env", "url", "url_env", "secret_env", "mention",
    "username", "icon_emoji",
}  # fmt: skip

CHANNELS = [{"name": name, "type": "slack"} for name in ("a", "b")]
INTERVALS = {"night": "every day 22:00-06:00"}
THRESHOLD = threshold(channels=["a"], each="platform")
SERVICE = {"name": "s", "kind": "service_status", "status": "down", "each": "service"}
BURN = {"name": "b", "kind": "burn_rate", "objective": 99.0, "each": "platform", "min_samples": 10,
        "pairs": [{"rate": 2.0, "long": "10m", "short": "2m", "severity": "high"}]}  # fmt: skip
LATENCY = BURN | {"objective": 80.0, "below": "5ms"}
CHANGE = {"name": "c", "kind": "change", "metric": "error_rate", "each": "platform",
          "operator": "greater_than", "threshold": 50.0, "window": "2m"}  # fmt: skip
TREND = {"name": "t", "kind": "trend", "each": "platform"}
SILENT = {"name": "n", "kind": "no_data", "after": "2m", "each": "platform"}
PAIR = {"rate": 2.0, "long": "30m", "short": "3m", "severity": "high"}
#: A field, another value that keeps the breach of the rule true, and the rule.
EDITS: list[tuple[str, Any, dict[str, Any]]] = [
    *(
        (field, value, rule)
        for rule in (THRESHOLD, SERVICE, BURN, SILENT, CHANGE)
        for field, value in (
            ("description", "words"),
            ("severity", "critical"),
            ("labels", {"team": "parsing"}),
            ("runbook", "https://wiki.example.com/new"),
            ("dashboard", "https://example.com/d"),
            ("summary", "{{ rule }} is bad"),
            ("channels", ["b"]),
            ("cooldown", "1h"),
            ("escalation", [{"after": "5m", "channels": ["b"]}]),
            ("keep_firing_for", "5m"),
            ("mute_time_intervals", ["night"]),
            ("active_time_intervals", ["night"]),
        )
    ),
    ("match", 'platform=~"lever|ashby"', THRESHOLD),
    ("operator", "greater_than_or_equal", THRESHOLD),
    ("threshold", 6.0, THRESHOLD),
    ("tiers", [{"severity": "high", "threshold": 7.0}], THRESHOLD),
    ("resolve_threshold", 2.0, THRESHOLD),
    ("window", "3m", THRESHOLD),
    ("for", "10m", THRESHOLD),
    ("min_samples", 9, THRESHOLD),
    ("enough_samples", 300, THRESHOLD),
    ("no_operations", "keep_firing", THRESHOLD),
    ("status", ["down", "degraded"], SERVICE),
    ("for", "10m", SERVICE),
    ("objective", 98.0, BURN),
    ("objective", 85.0, LATENCY),
    ("pairs", [PAIR], BURN),
    ("min_samples", 11, BURN),
    ("no_operations", "keep_firing", BURN),
    ("after", "3m", SILENT),
    ("threshold", 60.0, CHANGE),
    ("resolve_threshold", 20.0, CHANGE),
    ("window", "3m", CHANGE),
    ("min_samples", 9, CHANGE),
]
#: Only another class of breach, or none, comes of these; or the row knows too little to go on.
UNEDITED = {
    "name",
    "kind",
    "metric",
    "each",
    "enabled",
    "evaluations",
    "against",
    "below",
    "each_analysis",
}


def _written(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def test_each_field_of_each_kind_has_one_class() -> None:
    every = set().union(*map(_written, RULE_MODELS.values()))
    assert sum(map(len, CLASSES.values())) == len(set().union(*CLASSES.values()))
    assert set().union(*CLASSES.values()) == _written(BaseRule)
    for kind, model in RULE_MODELS.items():
        assert _written(model) >= model.MEASURES, kind
        assert {class_of(model, field) for field in _written(model)} <= CLASSES.keys()
    assert {field for field, *_ in EDITS} | UNEDITED == every


def test_each_field_of_the_rest_of_the_file_is_known() -> None:
    assert _written(Defaults) == set(OF_DEFAULTS)
    assert _written(RuleFile) == OF_FILE
    kinds = get_args(get_args(channels.Channel)[0])
    assert set().union(*map(_written, kinds)) == OF_CHANNELS


def _firing(rule: dict[str, Any]) -> World:
    world = World(rule, channels=CHANNELS)
    if rule["kind"] == "service_status":
        world.read(service(0, "down"), service(1, "down"))
        return world
    for minute in range(6):
        failures = 5 if rule["kind"] == "change" and minute < 4 else 50
        world.read(operations(minute, 100, failures, platform="lever"))
    if rule["kind"] == "no_data":
        world.pass_minutes(12)
    return world


def _edited(rule: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    changed = rule | {field: value}
    if field == "tiers":
        del changed["threshold"]
    return changed


@pytest.mark.parametrize(("field", "value", "rule"), EDITS)
def test_an_edit_never_ends_what_still_holds(field: str, value: Any, rule: dict[str, Any]) -> None:
    world = _firing(rule)
    (before,) = {one.id for one in world.said}
    edited = _edited(rule, field, value)
    file = rule_file(edited, channels=CHANNELS, time_intervals=INTERVALS)
    told = world._heard(world.evaluation.reload(file, "hash-2"))
    name = class_of(RULE_MODELS[rule["kind"]], field)
    if name in ("SELECTS", "UNSEEN"):
        assert told == []
    else:
        assert words(told) == [("updated", "rule_changed")]
        assert {one.id for one in told} == {before}
    assert world.evaluation.firing == 1
    if name == "LEVELS" and rule is not BURN:  # its pairs have severities of their own
        assert told[0].severity == value
    if name in ("SHOWS", "ROUTES") and field in ("runbook", "dashboard"):
        assert getattr(told[0], field) == value
    if field == "summary":
        assert told[0].summary == f"{rule['name']} is bad"
    assert told == [] or told[0].rules_hash == "hash-2"


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [("metric", "success_rate", "rule_changed"), ("each", "operation", "rule_removed"),
     ("match", 'platform="ashby"', "rule_removed"), ("name", "other", "rule_removed"),
     ("enabled", False, "rule_removed")],
)  # fmt: skip
def test_what_is_another_rule_ends_it(field: str, value: Any, why: str) -> None:
    world = _firing(THRESHOLD)
    told = world.reload(*[THRESHOLD | {"channels": [], field: value}])
    assert words(told) == [("resolved", why)]


def test_another_bound_of_latency_is_another_rule() -> None:
    world = _firing(LATENCY)
    assert words(world.reload(LATENCY | {"below": "6ms"})) == [("resolved", "rule_changed")]
    world = _firing(BURN)
    assert words(world.reload(LATENCY)) == [("resolved", "rule_changed")]


@pytest.mark.parametrize("field", sorted(OF_DEFAULTS))
def test_an_edit_of_the_defaults_never_ends_anything(field: str) -> None:
    values = {"cooldown": "1h", "channels": ["b"], "labels": {"a": "b"}}
    values |= {"mute_time_intervals": ["night"], "active_time_intervals": ["night"]}
    rule = {name: value for name, value in THRESHOLD.items() if name != "channels"}
    world = _firing(rule)
    defaults = {field: values.get(field, "https://example.com/x")}
    file = rule_file(rule, channels=CHANNELS, defaults=defaults, time_intervals=INTERVALS)
    told = world._heard(world.evaluation.reload(file, "hash-2"))
    assert words(told) == [("updated", "rule_changed")]


WRITTEN_OUT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (THRESHOLD, {"min_samples": 1, "no_operations": "not_judged", "tiers": [], "for": "0m"}),
    (SERVICE, {"status": ["down"], "for": "0m"}),
    ({name: value for name, value in BURN.items() if name != "pairs"},
     {"pairs": list(WORKBOOK_PAIRS), "no_operations": "not_judged"}),
    (CHANGE, {"against": "previous", "min_samples": 1, "tiers": [], "for": "0m"}),
    (TREND, {"window": "1h", "evaluations": 2}),
    (SILENT, {}),
]  # fmt: skip
OF_ALL = {"keep_firing_for": "0m", "labels": {}, "escalation": [], "enabled": True, "summary": None,
          "description": None}  # fmt: skip


@pytest.mark.parametrize(("rule", "defaults"), WRITTEN_OUT)
def test_defaults_that_are_written_out_change_nothing(
    rule: dict[str, Any], defaults: dict[str, Any]
) -> None:
    (short,) = compile_rules(rule_file(rule, channels=CHANNELS))
    (long,) = compile_rules(rule_file(rule | OF_ALL | defaults, channels=CHANNELS))
    for hashed in ("measure", "condition", "appearance"):
        assert getattr(short, hashed) == getattr(long, hashed)


def test_an_edit_of_words_keeps_what_is_about_to_open() -> None:
    rule = threshold(**{"for": "3m"})
    world = World(rule)
    world.minutes(0, [50, 50])
    world.reload(rule | {"runbook": "https://example.com/x", "severity": "critical"})
    (opened,) = world.minutes(2, [50, 50])
    assert (opened.state, opened.severity) == ("opened", "critical")
