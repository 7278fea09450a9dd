"""What a card for Microsoft Teams says, and how much fits."""

import json

import pytest

from streams.channels import teams
from tests.receivers.teams import lines, mistakes, plain
from tests.unit.messages.samples import TEAMS, TEAMS_URL, breach, message, resolved


def card(of):
    body = json.loads(teams.request(of, TEAMS, TEAMS_URL).body)
    assert mistakes(body) == []
    return body["attachments"][0]["content"]


def test_a_card_says_what_where_how_bad_and_where_to_look():
    shown = lines(teams.payload(message(), TEAMS))
    assert shown[0] == '[HIGH] parse_success on parse_job_data{platform="lever"}'
    assert shown[1] == "81.25 % of 240 operations succeeded in 5 minutes; at least 95 % should."
    assert "Severity: High" in shown
    assert shown[-1] == "[View dashboard] [Runbook] [Acknowledge]"


@pytest.mark.parametrize(
    ("of", "style", "word"),
    [
        (message(breach(severity="critical")), "attention", "[CRITICAL]"),
        (message(breach(severity="high")), "warning", "[HIGH]"),
        (message(breach(severity="medium")), "accent", "[MEDIUM]"),
        (message(breach(severity="low")), "emphasis", "[LOW]"),
        (message(resolved(), event="resolved"), "good", "[RESOLVED]"),
        (message(resolved(why="series_gone"), event="resolved"), "default", "[ENDED]"),
        (message(event="not_judged"), "default", "[HIGH, no longer judged]"),
    ],
)
def test_severity_is_a_colour_and_a_word(of, style, word):
    title = card(of)["body"][0]
    assert title["style"] == style
    assert plain(title["items"][0]["text"]).startswith(word)


def test_a_resolve_has_nothing_to_acknowledge():
    titles = [one["title"] for one in card(message(resolved(), event="resolved"))["actions"]]
    assert titles == ["View dashboard", "Runbook"]
    acknowledge = card(message())["actions"][-1]
    assert acknowledge["type"] == "Action.OpenUrl"
    assert acknowledge["url"] == "https://opwatch.example.com/ack/abc"


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _it_ ~~gone~~ `code`", "[click](https://evil.example)", "<at>everyone</at> &amp;",
        "{{DATE(2017-02-14T06:00Z)}}", "back\\slash \\* \\\\", "a | b", "# heading", "- list",
        "1. list", "+ list", "> quotation", "---", "5. 81.25 %", "😀 _ünï_",
    ],
)  # fmt: skip
def test_a_value_of_an_event_is_shown_as_it_is(text):
    for of in (
        message(breach(summary=text)),
        message(breach(series=text, labels={"service": text})),
    ):
        assert any(text in line for line in lines(teams.payload(of, TEAMS)))
        card(of)


def test_what_does_not_fit_is_cut_and_says_so():
    of = message(breach(summary="x_" * 20_000))
    assert teams.size(teams.payload(of, TEAMS)) <= teams.MAX_SIZE
    assert card(of)["body"][1]["text"].endswith("…")


def test_long_links_leave_room_for_the_names():
    url = "https://x.example/" + "a" * 1_980
    lead = breach(series="s" * 400, runbook=url, dashboard=url)
    others = tuple(breach(series=f"{n}{'*' * 500}", fingerprint=str(n)) for n in range(39))
    of = message(lead, others=others, acknowledge_url=url)
    assert teams.size(teams.payload(of, TEAMS)) <= teams.MAX_SIZE
    count = teams.named(of, TEAMS)
    assert 1 <= count < 40
    shown = "\n".join(lines(teams.payload(of, TEAMS)))
    assert f"… and {40 - count} more." in shown


def test_several_alerts_are_each_a_line_with_their_own_severity():
    others = tuple(
        breach(series=f"parse-{n}", fingerprint=str(n), severity=severity)
        for n, severity in enumerate(["critical", "low"])
    )
    of = message(others=(*others, resolved(series="parse-2", fingerprint="2")), event="summary")
    shown = lines(teams.payload(of, TEAMS))
    assert teams.named(of, TEAMS) == 4
    for start in ("• [CRITICAL] parse_success on parse-0", "• [LOW]", "• [RESOLVED]"):
        assert any(line.startswith(start) for line in shown)
