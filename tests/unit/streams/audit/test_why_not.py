"""The topics' records say why a channel was not told."""

from streams.audit.why_not import NOT_ROUTED, by_reason, channels, why_not
from tests.unit.streams.audit.samples import ROUTING
from tests.unit.streams.story_samples import Records


def test_each_decision_not_to_tell_a_channel_is_found_and_grouped(records: Records):
    records.breached(routing=ROUTING)
    records.told("slack_engineering")
    records.decided("below_severity", "engineering_email")
    records.decided("silenced")
    records.decided("cooldown", "engineering_email")
    records.decided("cooldown", "engineering_email")

    groups = by_reason(why_not(records.log, "engineering_email", 0))

    assert [(one.reason, len(one.decisions)) for one in groups] == [
        ("cooldown", 2),
        ("below_severity", 1),
        ("silenced", 1),
    ]
    assert [one.reason for one in why_not(records.log, "slack_engineering", 0)] == ["silenced"]


def test_a_rule_that_names_other_channels_is_an_answer_too(records: Records):
    records.breached(routing=ROUTING)

    (only,) = why_not(records.log, "pagerduty_oncall", 0)

    assert only.reason == NOT_ROUTED
    assert only.sentence == (
        "The rule parse_success routes to slack_engineering, engineering_email."
    )


def test_an_escalation_step_is_a_route(records: Records):
    step = {"after_ms": 1, "channels": ["pagerduty_oncall"]}
    records.breached(routing=ROUTING | {"escalation": [step]})
    records.decided("acknowledged", event="escalated")

    assert [one.reason for one in why_not(records.log, "pagerduty_oncall", 0)] == ["acknowledged"]
    assert channels(records.log) == {*ROUTING["channels"], "pagerduty_oncall"}


def test_what_is_older_than_asked_for_is_left_out(records: Records):
    records.breached()
    records.decided("cooldown", "slack_engineering")
    later = records.now_ms + 1

    assert why_not(records.log, "slack_engineering", later) == []
