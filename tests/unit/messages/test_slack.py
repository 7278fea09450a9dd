import json
from html import unescape

import pytest

from streams.channels import slack
from tests.unit.messages.samples import SLACK, SLACK_URL, breach, message, resolved


def attachment(told, channel=SLACK):
    return slack.payload(told, channel)["attachments"][0]


def test_the_attachment_says_what_where_when_and_what_to_do():
    told = attachment(message())
    assert told["color"] == slack.COLOURS["high"]
    assert told["title"] == '[HIGH] parse_success on parse_job_data{platform="lever"}'
    assert told["text"].startswith("81.25 % of 240 operations")
    assert [(field["title"], field["value"]) for field in told["fields"]] == [
        ("Severity", "High"),
        ("Service", "parse_job_data"),
        ("Time", "2027-01-15 08:00:00 UTC"),
        ("Observed", "Success rate 81.25 % (threshold: below 95 %; 240 samples)"),
        ("Examples", "op-17 (TimeoutError)"),
    ]
    assert [(button["text"], button["url"]) for button in told["actions"]] == [
        ("View dashboard", "https://opwatch.example.com/d/parse"),
        ("Runbook", "https://wiki.example.com/runbooks/parse?a=1&b=2"),
        ("Acknowledge", "https://opwatch.example.com/ack/abc"),
    ]
    assert all(button["type"] == "button" for button in told["actions"])
    assert told["title_link"] == "https://opwatch.example.com/d/parse"


def test_each_severity_and_the_resolve_has_its_colour():
    colours = [
        attachment(message(breach(severity=severity)))["color"]
        for severity in ("low", "medium", "high", "critical")
    ]
    colours.append(attachment(message(resolved(), event="resolved"))["color"])
    assert len(set(colours)) == 5


def test_nobody_acknowledges_what_is_resolved():
    told = attachment(message(resolved(), event="resolved"))
    assert [button["text"] for button in told["actions"]] == ["View dashboard", "Runbook"]
    assert told["title"].startswith("[RESOLVED]")
    assert told["fields"][2]["value"] == "2027-01-15 08:00:00 UTC – 2027-01-15 08:06:00 UTC"


def test_a_resolve_after_an_untold_opening_tells_both():
    told = attachment(message(resolved(), event="resolved", announces_opening=True))
    assert told["title"].startswith("[OPENED AND RESOLVED]")
    assert "Opened 2027-01-15 08:00:00 UTC, resolved 2027-01-15 08:06:00 UTC" in told["text"]


@pytest.mark.parametrize("word", ["@here", "@channel", "@everyone", "@Here", "<!channel>"])
def test_nothing_in_a_message_mentions_anyone(word):
    hostile = breach(
        summary=f"x {word} y",
        labels={"service": word},
        series=f"s{word}",
        exemplars=[{"id": word, "success": False, "duration_ms": 1.0, "error_type": word}],
    )
    written = json.dumps(slack.payload(message(hostile), SLACK), ensure_ascii=False)
    assert word not in written
    assert "<" not in written


def test_markup_is_escaped_and_a_cut_splits_no_entity():
    assert slack.escape("a < b && c > d", 100) == "a &lt; b &amp;&amp; c &gt; d"
    assert slack.escape("&" * 10, 12) == "&amp;&amp;…"


def test_thirty_platforms_are_one_message():
    others = tuple(breach(series=f"parse{{platform={n}}}", fingerprint=str(n)) for n in range(29))
    told = attachment(message(others=others))
    assert told["title"].endswith("and 29 more")
    assert told["text"].count("\n•") == 29
    assert all(f"parse{{platform={n}}}" in told["text"] for n in range(29))


def test_the_whole_stays_within_what_slack_takes():
    long = breach(
        summary="&" * 2000,
        series="<" * 900,
        runbook="https://x.example/" + "r" * 1900,
        dashboard="https://x.example/" + "d" * 1900,
        exemplars=[{"id": "<" * 500, "success": False, "duration_ms": 1.0, "error_type": "&" * 500}]
        * 3,
    )
    others = tuple(breach(summary="ü&" * 500) for _ in range(12))
    body = slack.request(message(long, others=others), SLACK, SLACK_URL).body
    assert len(body.decode()) <= slack.MAX_CHARACTERS


def test_a_template_replaces_the_text_and_a_failing_one_does_not():
    channel = SLACK.model_copy(update={"template": "{{ severity|upper }}: {{ labels.team }}"})
    assert attachment(message(), channel)["text"] == "HIGH: search"
    broken = SLACK.model_copy(update={"template": "{{ labels.nobody.knows }}"})
    text = attachment(message(), broken)["text"]
    assert text.startswith("81.25 % of 240 operations")
    assert "template failed" in text


def test_a_link_that_is_none_is_left_out():
    odd = breach(runbook="javascript:alert(1)", dashboard="https://x.example/a|b>c d")
    told = attachment(message(odd, acknowledge_url=None))
    assert [button["url"] for button in told["actions"]] == ["https://x.example/a%7Cb%3Ec%20d"]


def test_a_template_that_names_the_others_in_a_text_that_is_cut_does_not_count_them_as_named():
    others = tuple(breach(series=f"{n}{'&' * 200}", fingerprint=str(n)) for n in range(24))
    template = "{{ text }}{% for other in others %}\n{{ other }}{% endfor %}"
    channel = SLACK.model_copy(update={"template": template})
    of = message(others=others)
    (attachment,) = slack.payload(of, channel)["attachments"]
    shown = unescape(f"{attachment['title']}\n{attachment['text']}")
    count = slack.named(of, channel)
    assert 1 <= count < 25
    assert all(f" on {other.series}" in shown for other in others[: count - 1])
