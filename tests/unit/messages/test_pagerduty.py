import orjson

from streams.channels import pagerduty
from tests.unit.messages.samples import PAGERDUTY, ROUTING_KEY, breach, message, resolved


def events(told):
    return pagerduty.events(told, PAGERDUTY, ROUTING_KEY)


def test_a_trigger_says_everything():
    (event,) = events(message())
    assert event["event_action"] == "trigger"
    assert event["routing_key"] == ROUTING_KEY
    assert event["dedup_key"] == "a1b2c3d4e5f60718/3f6c1d0a9b8e7f65"
    payload = event["payload"]
    assert payload["severity"] == "error"
    assert payload["source"] == "parse_job_data"
    assert payload["timestamp"] == "2027-01-15T08:00:00.000Z"
    assert payload["summary"].startswith("[HIGH] parse_success on ")
    assert payload["custom_details"]["label team"] == "search"
    assert payload["custom_details"]["p95_ms"] == 812.5
    assert [link["text"] for link in event["links"]] == ["View dashboard", "Runbook", "Acknowledge"]
    assert event["client_url"] == "https://opwatch.example.com/d/parse"


def test_a_resolve_closes_what_every_level_opened():
    opened = [events(message(level=level))[0]["dedup_key"] for level in (0, 1, 2)]
    closed = events(message(resolved(), event="resolved", level=2))
    assert [event["event_action"] for event in closed] == ["resolve"] * 3
    assert [event["dedup_key"] for event in closed] == opened
    assert len(set(opened)) == 3


def test_a_new_episode_is_another_incident():
    first, second = (events(message(breach(id=name)))[0] for name in ("one", "two"))
    assert first["dedup_key"] != second["dedup_key"]


def test_a_test_leaves_nothing_open():
    opened, closed = events(message(event="test"))
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"]


def test_an_acknowledgement_is_of_the_same_key():
    (event,) = events(message(event="acknowledged", acknowledged_by="kim"))
    assert event["dedup_key"] == events(message())[0]["dedup_key"]
    assert event["event_action"] == "acknowledge"


def test_an_incident_that_has_a_name_is_known_by_it():
    opened, closed = (
        events(message(told, event=event, incident="one-for-all"))[0]["dedup_key"]
        for told, event in ((breach(), "opened"), (resolved(fingerprint="another"), "resolved"))
    )
    assert opened == closed == "one-for-all"


def test_limits_hold():
    long = breach(
        id="i" * 400,
        summary="ü" * 5000,
        labels={f"label{n}": "x" * 5000 for n in range(100)},
        evidence={f"figure{n}": "y" * 5000 for n in range(100)},
    )
    (event,) = events(message(long, others=tuple(long for _ in range(500))))
    assert len(event["dedup_key"]) <= pagerduty.MAX_DEDUP_KEY
    assert len(event["payload"]["summary"]) <= pagerduty.MAX_SUMMARY
    assert len(orjson.dumps(event)) <= pagerduty.MAX_BYTES
