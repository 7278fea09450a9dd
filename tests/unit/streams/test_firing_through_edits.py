"""From a rule file to the channels: an edit, and an outage, while an alert fires."""

from typing import Any

import pytest

from streams.alerting.state import AlertState, unpack_state
from tests.unit.streams.alerting.world import MINUTE
from tests.unit.streams.alerting.world import World as Alerts
from tests.unit.streams.rules.worlds import World as Rules
from tests.unit.streams.rules.worlds import rule_file, threshold

CHANNELS = [{"name": name, "type": kind} for name, kind in
            (("slack", "slack"), ("pager", "pagerduty"), ("mail", "slack"))]  # fmt: skip
RULE = threshold(
    each="platform", severity="critical", min_samples=20, channels=["slack", "pager"],
    runbook="https://wiki.example.com/old-page",
)  # fmt: skip


class Both:
    """The rules and the alerts that rest on what they say."""

    def __init__(self) -> None:
        self.rules = Rules(RULE, channels=CHANNELS)
        self.alerts = Alerts()
        self.minute = 0

    def fails(self, minutes: int, failures: int = 50) -> None:
        for _ in range(minutes):
            self.hears(self.rules.minutes(self.minute, [failures], platform="lever"))
            self.minute += 1

    def hears(self, breaches: Any) -> None:
        for one in breaches:
            self.alerts.take_breach(one)
        self.alerts.run(MINUTE)

    def edit(self, **fields: Any) -> None:
        file = rule_file(RULE | fields, channels=CHANNELS)
        said = self.rules.evaluation.reload(file, "hash-2")
        self.hears(self.rules._heard(said))

    @property
    def row(self) -> Any:
        states = map(unpack_state, self.alerts.packed.values())
        (row,) = [state for state in states if isinstance(state, AlertState)]
        return row

    def acknowledge(self) -> None:
        from schemas.commands import Acknowledge

        breach = self.rules.said[0]
        self.alerts.command(
            Acknowledge(id="c1", by="ann", at_ms=self.alerts.now, fingerprint=breach.fingerprint,
                        breach_id=breach.id)
        )  # fmt: skip
        self.alerts.run(MINUTE)

    def events(self, channel: str) -> list[str]:
        return [event for _, event, *_ in self.alerts.told(channel)]


@pytest.mark.parametrize(
    "fields",
    [
        {"runbook": "https://wiki.example.com/new-page"},
        {"description": "words"},
        {"summary": "{{ observed }} % fail"},
        {"labels": {"team": "parsing"}},
        {"severity": "high"},
        {"channels": ["slack", "pager", "mail"]},
        {"channels": ["slack"]},
        {"cooldown": "1h"},
        {"escalation": [{"after": "5h", "channels": ["mail"]}]},
        {"threshold": 10.0},
        {"window": "3m"},
        {"for": "5m"},
    ],
)
def test_an_edit_while_it_fires_ends_nothing_and_keeps_the_acknowledgement(
    fields: dict[str, Any],
) -> None:
    both = Both()
    both.fails(3)
    both.acknowledge()
    both.edit(**fields)
    both.fails(8)
    assert both.row.phase == "acknowledged"
    assert both.events("slack") == ["opened"]
    assert both.events("pager") == ["opened", "acknowledged"]
    both.fails(4, 0)  # the longest window is of three minutes
    assert both.events("slack") == ["opened", "resolved"]
    assert both.events("pager") == ["opened", "acknowledged", "resolved"]


def test_a_rule_that_goes_and_comes_back_is_told_without_a_cooldown() -> None:
    both = Both()
    both.fails(2)
    both.edit(name="renamed")
    both.fails(2)
    both.edit()
    both.fails(2)
    assert both.events("slack").count("opened") == 3


def test_an_outage_is_told_as_what_it_is_and_never_as_a_recovery() -> None:
    both = Both()
    both.fails(2)
    both.hears(both.rules.pass_minutes(60))
    assert both.events("slack") == ["opened", "not_judged"]
    assert both.events("pager") == ["opened"]
    both.minute = 60
    both.fails(3)
    assert both.events("slack") == ["opened", "not_judged", "judged_again"]
    both.fails(1, 0)
    assert both.events("pager") == ["opened", "resolved"]


@pytest.mark.parametrize("days", [1, 25])
def test_alerts_that_slept_for_days_need_as_many_ticks_as_after_one(days: int) -> None:
    both = Both()
    steps = [{"after": f"{hours}h", "channels": ["mail"]} for hours in (1, 2, 3)]
    both.edit(escalation=steps)
    both.fails(2)
    both.alerts.now += days * 24 * 60 * MINUTE
    ticks = 0
    while (due := both.alerts.alerting.next_due_ms()) is not None and due <= both.alerts.now:
        both.alerts.tick()
        ticks += 1
    assert ticks <= 2
