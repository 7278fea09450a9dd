"""The local receivers show a message as the vendor would."""

from streams.channels import slack
from tests.receivers.showing import shown
from tests.unit.messages.samples import SLACK, breach, message


def test_slack_shows_no_entities_and_no_colour():
    told = slack.payload(message(breach(summary="error rate is 100 % (> 5 %)")), SLACK)
    given = {"receiver": "slack", "ok": True, "mistakes": [], "body": told}
    lines = shown(given).splitlines()
    assert lines[1].strip().startswith("[HIGH] parse_success on ")
    assert lines[2].strip() == "error rate is 100 % (> 5 %)"
    assert all(line.strip() for line in lines)


def test_slack_shows_no_empty_line_for_no_buttons():
    body = {"attachments": [{"title": "a", "text": "b"}]}
    given = {"receiver": "slack", "ok": True, "mistakes": [], "body": body}
    assert shown(given).splitlines() == ["── slack ✓", "   a", "   b"]
