"""Each bad analysis is a breach of its own; the cooldown holds what follows the first."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance import oracle
from tests.acceptance.alert_scene import Receivers
from tests.acceptance.quality_scene import Publisher, make_analysis
from tests.acceptance.running import Running
from tests.receivers.http import taken

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

RULE = {
    "name": "bad_analysis",
    "kind": "metric_threshold",
    "metric": "quality_overall",
    "each_analysis": True,
    "operator": "less_than",
    "threshold": 0.7,
    "window": "1m",
    "severity": "medium",
    "cooldown": "1h",
    "channels": ["hook"],
}
BAD = {"fields": {"title": None, "company": None}, "evidence": [{"quote": "nine cats in hats"}]}


def test_each_bad_analysis_is_a_breach_and_within_the_cooldown_one_is_notified(
    kafka: str, prefix: str, running: Running, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    def read(topic: str) -> list[dict[str, Any]]:
        return [json.loads(it.value()) for it in oracle.read_topic(kafka, prefix + topic)]

    def has_breach(analysis: str) -> bool:
        return any(breach["evidence"].get("analysis") == analysis for breach in read("breaches"))

    def is_decided() -> bool:
        return len({decision["breach_id"] for decision in read("notifications")}) == 3

    with Receivers() as receivers:
        environment = receivers.settings(tmp_path)
        rule_file = receivers.rule_file() | {"rules": [RULE]}
        Path(environment["OPWATCH_RULE_FILE"]).write_text(yaml.safe_dump(rule_file))
        hook = receivers.by_name["hook"]
        for role in ("quality", "measure", "alert"):
            number = running.start(role, **environment)
            eventually(lambda number=number: running.is_ready(number))
        publisher = Publisher(kafka, prefix)
        for name in ("bad-1", "bad-2", "bad-3"):
            publisher.analyses([make_analysis(f"good-{name}"), make_analysis(name, result=BAD)])
            publisher.flush()
            eventually(lambda name=name: has_breach(name))
        eventually(is_decided)
        eventually(lambda: taken(hook.arrived))
        messages = [json.loads(request.body) for request in taken(hook.arrived)]

    breaches = read("breaches")
    opened = [breach for breach in breaches if breach["state"] == "opened"]
    assert {it["evidence"]["analysis"] for it in opened} == {"bad-1", "bad-2", "bad-3"}
    assert len({breach["id"] for breach in opened}) == 3
    assert {breach["id"] for breach in breaches if breach["state"] == "resolved"} == {
        breach["id"] for breach in opened
    }
    cooled = {it["breach_id"] for it in read("notifications") if it["reason"] == "cooldown"}
    assert cooled == {it["id"] for it in opened if it["evidence"]["analysis"] != "bad-1"}
    assert "bad-1" in json.dumps(messages[0])
    assert not any(name in json.dumps(messages) for name in ("bad-2", "bad-3"))
