"""Whatever stands in a breach: no header is made of it, and no limit is passed."""

import email
from dataclasses import replace
from email import policy

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.channels import email as mails
from streams.channels import pagerduty, slack, sms, teams, webhook
from tests.receivers.teams import mistakes as teams_mistakes
from tests.unit.messages.samples import (
    EMAIL,
    PAGERDUTY,
    ROUTING_KEY,
    SIGNING_KEY,
    SLACK,
    SLACK_URL,
    SMS,
    TEAMS,
    TEAMS_URL,
    WEBHOOK,
    breach,
    message,
)

HEADERS = {
    "Date", "Message-ID", "In-Reply-To", "References", "Subject", "Auto-Submitted",
    "X-Auto-Response-Suppress", "X-Opwatch-Rule", "X-Opwatch-Severity", "From", "To",
    "MIME-Version", "Content-Type",
}  # fmt: skip
EVENTS = ["opened", "acknowledged", "resolved", "escalated", "summary", "test"]
SMUGGLED = "X-Smuggled: yes"

_ends = st.sampled_from(
    ["\r\n", "\n", "\r", "\r\n\r\n", "\u2028", "\u0085", "\x0b", "\x00", "\r\n "]
)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
hostile = st.builds(lambda a, end, b: f"{a}{end}{SMUGGLED}{end}{b}", _words, _ends, _words)


@st.composite
def messages(draw):
    told = breach(
        rule=draw(hostile),
        series=draw(hostile),
        id=draw(hostile),
        fingerprint=draw(hostile),
        labels={"service": draw(hostile), draw(hostile): draw(hostile)},
        summary=draw(hostile),
        unit=draw(hostile),
        metric=draw(hostile),
        runbook=f"https://x.example/{draw(hostile)}",
        dashboard=draw(hostile),
        exemplars=[
            {"id": draw(hostile), "success": False, "duration_ms": 1.0, "error_type": draw(hostile)}
        ],
        severity=draw(st.sampled_from(["low", "medium", "high", "critical"])),
        observed=draw(st.floats(allow_nan=False, allow_infinity=False)),
    )
    return message(
        told,
        delivery=draw(hostile),
        event=draw(
            st.sampled_from(["opened", "acknowledged", "resolved", "escalated", "summary", "test"])
        ),
        acknowledge_url=draw(st.none() | hostile),
        others=tuple([told] * draw(st.integers(0, 3))),
    )


@settings(deadline=None)
@given(messages(), hostile)
def test_no_line_break_in_any_field_reaches_a_mails_header(told, name):
    channel = EMAIL.model_copy(
        update={
            "to": ["Team\r\nX-Smuggled: yes <a@example.com>"],
            "sender": f'"{name}" <opwatch@example.com>',
        }
    )
    try:
        raw = mails.build(told, channel)
    except ValueError:  # what the check refuses
        raw = mails.build(told, EMAIL)
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert {one.decode() for one in names} <= HEADERS
    assert len(names) == len(set(names))
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert mail["X-Smuggled"] is None
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@settings(deadline=None)
@given(messages())
def test_no_line_break_in_any_field_reaches_a_posts_header_or_url(told):
    for request in (
        slack.request(told, SLACK, SLACK_URL),
        *pagerduty.requests(told, PAGERDUTY, ROUTING_KEY),
        *(one for _, one in sms.requests(told, SMS, "AC\r\nX: y", "token\r\nX: y", "MG")),
        teams.request(told, TEAMS, TEAMS_URL),
        webhook.request(told, WEBHOOK, SLACK_URL, (SIGNING_KEY,), 0),
    ):
        for value in (request.url, *request.headers, *request.headers.values()):
            assert not set(value) & set("\r\n\0")
            assert value.isascii()


@settings(deadline=None)
@given(messages())
def test_no_limit_is_passed(told):
    assert len(slack.request(told, SLACK, SLACK_URL).body.decode()) <= slack.MAX_CHARACTERS
    card = teams.payload(told, TEAMS)
    assert teams.size(card) <= teams.MAX_SIZE
    assert teams_mistakes(card) == []
    text = sms.text(told, SMS)
    assert sms.segments_hold(text) or text == sms.text(replace(told, acknowledge_url=None), SMS)
    assert len(text) <= sms.MAX_BODY
    for event in pagerduty.events(told, PAGERDUTY, ROUTING_KEY):
        assert len(event["dedup_key"]) <= pagerduty.MAX_DEDUP_KEY
        if event["event_action"] == "trigger":
            assert 0 < len(event["payload"]["summary"]) <= pagerduty.MAX_SUMMARY
