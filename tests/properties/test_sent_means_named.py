"""What is recorded as sent stands by its name in a message that the receiver got."""

import email
import json
from collections import defaultdict
from email import policy
from itertools import pairwise

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.channels import Channel
from streams.channels import email as mails
from streams.channels import pagerduty, slack, sms, teams, webhook
from streams.channels.registry import named, traits
from tests.effort import examples
from tests.receivers.teams import lines as teams_lines
from tests.receivers.teams import mistakes as teams_mistakes
from tests.unit.messages.samples import ROUTING_KEY, message
from tests.unit.streams.alerting.world import MINUTE, Retry, World, breach

CHANNELS = TypeAdapter(list[Channel]).validate_python(
    [
        {"name": "mail", "type": "email", "to": ["a@example.org"], "from": "o@example.org"},
        {"name": "slack", "type": "slack"},
        {"name": "pager", "type": "pagerduty"},
        {"name": "teams", "type": "teams"},
        {"name": "hook", "type": "webhook"},
        {"name": "sms", "type": "sms", "to": ["+15005550006"]},
    ]
)
BY_NAME = {channel.name: channel for channel in CHANNELS}
TEMPLATES = [
    None,
    "{{ severity }}: {{ summary }}",
    "{{ text }}{% for one in others %}\n{{ one }}{% endfor %}",
    "{{ nobody.knows }}",
]
#: Quotes, markup, wide and plain characters: what takes one character here takes more there.
_letters = st.sampled_from(["a", "&", "ü", '\\"', "😀", "<", "x y", "@here"])


def shown(message, channel):
    """Return all that a receiver reads of a message."""
    match channel.type:
        case "slack":
            [one] = slack.payload(message, channel)["attachments"]
            body = json.dumps(slack.payload(message, channel), ensure_ascii=False)
            assert len(body) <= slack.MAX_CHARACTERS
            assert len(one["text"]) <= slack.MAX_TEXT
            plain = f"{one['title']}\n{one['text']}".replace("@\u200b", "@")
            return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        case "email":
            mail = email.message_from_bytes(mails.build(message, channel), policy=policy.default)
            return next(mail.iter_parts()).get_content()
        case "pagerduty":
            first = pagerduty.events(message, channel, ROUTING_KEY)[0]
            assert len(orjson.dumps(first)) <= pagerduty.MAX_BYTES  # as it is sent
            if first["event_action"] != "trigger":
                return "\n".join(name_of(one) for one in (message.breach, *message.others))
            return "\n".join(
                [first["payload"]["summary"], *first["payload"]["custom_details"].get("Others", ())]
            )
        case "teams":
            card = teams.payload(message, channel)
            assert teams.size(card) <= teams.MAX_SIZE
            assert teams_mistakes(card) == []
            return "\n".join(teams_lines(card))
        case "sms":
            text = sms.text(message, channel)
            assert len(text) <= sms.MAX_BODY
            return text
        case "webhook":
            alerts = webhook.payload(message, channel)["alerts"]
            assert len(alerts) <= webhook.MAX_ALERTS
            return "\n".join(
                f"{one['labels']['alertname']} on {one['labels']['series']}" for one in alerts
            )


def name_of(one):
    return f"{one.rule} on {one.series}"


def series(number, letters, length):
    return f'parse{{platform="{number:05d}{(letters * length)[:length]}"}}'


def alert(number, named_so, **more):
    return breach(str(number), **more).model_copy(update={"series": named_so})


def check(world, event):
    """Hold what the receivers read against what is recorded."""
    read = defaultdict(str)
    for _, to, each in world.sent:
        if each.event == event or (event == "opened" and each.event == "summary"):
            read[to] += shown(each, BY_NAME[to]) + "\n"
    recorded = defaultdict(set)
    for one in world.said():
        if one.reason == "sent" and one.event == event:
            recorded[one.channel].add(f"{one.rule} on {one.series}")
    everyone = {name_of(one) for one in world.alerts}
    for channel in world.channels.by_name:
        assert {one for one in everyone if one in read[channel]} == recorded[channel], channel
    return recorded


def group(count, letters, length, *, template=None, answers=()):
    """Return a world in which so many alerts opened at once and were told."""
    channels = [
        one.model_copy(update={"template": template}) if one.type != "sms" else one
        for one in CHANNELS
    ]
    for one in channels:
        BY_NAME[one.name] = one
    world = World(channels=channels, missing={})
    world.alerts = [
        alert(
            i,
            series(i, letters, length),
            severity=("high", "critical")[i % 2],
            channels=tuple(BY_NAME),
            summary="Success is too low. " * (1 + i % 9),
        )
        for i in range(count)
    ]
    for one in world.alerts:
        world.take_breach(one)
    world.answers = dict(answers)
    world.run(6_000)
    world.answers = {}
    world.run(10 * MINUTE)
    return world


@settings(max_examples=examples(3), deadline=None)
@given(
    st.integers(1, 130) | st.integers(1, 700),
    _letters,
    st.integers(0, 60) | st.integers(0, 240),
    st.sampled_from(TEMPLATES),
    st.booleans(),
)
def test_what_is_recorded_as_sent_is_named_in_what_was_sent(
    count, letters, length, template, fails
):
    failing = {name: Retry(answer="503") for name in BY_NAME} if fails else {}
    world = group(count, letters, length, template=template, answers=failing)
    recorded = check(world, "opened")
    everyone = {name_of(one) for one in world.alerts}
    for name in ("mail", "slack", "pager", "teams", "hook"):
        assert recorded[name] == everyone
    summarised = {
        f"{one.rule} on {one.series}" for one in world.said() if one.reason == "summarised"
    }
    assert summarised == everyone - recorded["sms"]
    assert sum(world.alerting.queued.values()) == 0
    sent = len(world.sent)
    for one in world.alerts:
        over = {"state": "resolved", "revision": 2, "why": "condition_gone"}
        world.take_breach(one.model_copy(update=over))
    world.run(30 * MINUTE)
    assert len(world.sent) > sent
    check(world, "resolved")


@settings(max_examples=examples(5), deadline=None)
@given(st.integers(0, 600), _letters, st.integers(0, 400), st.sampled_from(TEMPLATES))
def test_as_many_as_it_says_are_named(others, letters, length, template):
    told = [alert(i, series(i, letters, length)) for i in range(others + 1)]
    said = message(told[0], others=tuple(told[1:]))
    for channel in CHANNELS:
        one = channel.model_copy(update={"template": None if channel.type == "sms" else template})
        count = named(said, one)
        assert 1 <= count <= max(traits(one).max_alerts, len(told))
        text = shown(said, one)
        assert all(name_of(each) in text for each in told[:count] if len(name_of(each)) < 500), one


def test_a_storm_is_split_into_messages_that_keep_the_pace():
    world = World(channels=CHANNELS, missing={})
    for i in range(2_000):
        world.take_breach(alert(i, series(i, "a", 10), channels=("hook", "slack", "teams")))
        world.now += 1
    began = world.now
    world.run(10 * MINUTE)
    for name, most, pace_ms in (("hook", 100, 20), ("slack", 40, 1_000), ("teams", 40, 250)):
        times = [at for at, to, _ in world.sent if to == name]
        assert 2_000 // most <= len(times) <= 2_000 // most + 15
        assert all(b - a >= pace_ms for a, b in pairwise(times))
        assert times[-1] - began < 3 * MINUTE
    assert sum(one.reason == "sent" for one in world.said()) == 6_000


def test_what_a_text_message_only_counted_is_not_said_to_be_over_there():
    world = World(channels=CHANNELS, missing={})
    for i in range(5):
        world.breach(str(i), channels=("sms",))
    world.run(MINUTE)
    for i in range(5):
        world.breach(str(i), channels=("sms",), state="resolved", revision=2)
    world.run(10 * MINUTE)
    opened = {
        one.breach_id for one in world.said() if (one.reason, one.event) == ("sent", "opened")
    }
    over = [
        one.id for _, _, m in world.sent if m.event == "resolved" for one in (m.breach, *m.others)
    ]
    assert set(over) <= opened
