"""Who is called in Slack and Teams: whom the rule file names, and nobody whom an event names."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.channels import Slack, Teams
from streams.channels import slack, teams
from streams.channels.wording import CALLS
from tests.effort import examples
from tests.receivers.teams import mistakes
from tests.unit.messages.samples import SLACK, TEAMS, breach, message, resolved

HERE = Slack.model_validate(
    {"name": "s", "type": "slack", "mention": ["here", "U012AB3CD", "S0LONGID"]}
)
ADA = Teams.model_validate(
    {"name": "t", "type": "teams", "mention": "Ada O'Neill-Byron <ada@example.com>"}
)


@pytest.mark.parametrize("event", ["opened", "severity_raised", "escalated", "summary", "test"])
def test_who_is_mentioned_is_called_when_something_is_wrong(event):
    told = message(event=event)
    assert slack.payload(told, HERE)["text"] == "<!here> <@U012AB3CD> <!subteam^S0LONGID>"
    card = teams.payload(told, ADA)
    (entity,) = card["attachments"][0]["content"]["msteams"]["entities"]
    assert entity["mentioned"] == {"id": "ada@example.com", "name": "Ada O'Neill-Byron"}
    assert mistakes(card) == []


@pytest.mark.parametrize("event", ["resolved", "acknowledged", "not_judged", "judged_again"])
def test_nobody_is_called_when_it_is_over_or_known(event):
    told = message(resolved() if event == "resolved" else breach(), event=event)
    assert event not in CALLS
    assert "text" not in slack.payload(told, HERE)
    assert "<at>" not in json.dumps(teams.payload(told, ADA))


@settings(deadline=None, max_examples=examples(40))
@given(
    st.text(max_size=40),
    st.sampled_from(["<!here>", "@here", "<@U012AB3CD>", "<at>Ada</at>", "@Channel"]),
)
def test_what_comes_from_an_event_calls_nobody(text, call):
    hostile = f"{text}{call}{text}"
    about = breach(summary=hostile, rule=hostile, labels={"service": hostile}, series=hostile)
    written = json.dumps(slack.payload(message(about), HERE)["attachments"], ensure_ascii=False)
    assert "<!" not in written
    assert "<@" not in written
    assert not any(f"@{word}" in written.lower() for word in ("here", "channel", "everyone"))
    card = teams.payload(message(about), ADA)
    assert mistakes(card) == []
    assert len(card["attachments"][0]["content"]["msteams"]["entities"]) == 1


def test_a_name_and_an_icon_are_sent_only_where_they_are_written():
    named = SLACK.model_copy(update={"username": "on call", "icon_emoji": ":rotating_light:"})
    assert slack.payload(message(), named)["username"] == "on call"
    assert slack.payload(message(), named)["icon_emoji"] == ":rotating_light:"
    assert set(slack.payload(message(), SLACK)) == {"attachments"}
    assert "entities" not in json.dumps(teams.payload(message(), TEAMS))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("slack", {"mention": ["#general"]}), ("slack", {"mention": ["<!here>"]}),
        ("slack", {"mention": ["ada@example.com"]}), ("slack", {"mention": "HERE"}),
        ("slack", {"icon_emoji": "fire"}), ("slack", {"icon_emoji": ":fire: <!here>"}),
        ("slack", {"username": ""}), ("teams", {"mention": ["here"]}),
        ("teams", {"mention": "<at>x</at> <a@b.example>"}),
        ("teams", {"mention": "a*b* <a@b.example>"}),
    ],
)  # fmt: skip
def test_whom_nobody_could_call_is_refused(kind, fields):
    model = Slack if kind == "slack" else Teams
    with pytest.raises(ValidationError):
        model.model_validate({"name": "c", "type": kind} | fields)
