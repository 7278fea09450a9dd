import email
from email import policy

from streams.channels import email as mails
from tests.unit.messages.samples import EMAIL, breach, message, resolved


def parsed(told, channel=EMAIL):
    return email.message_from_bytes(mails.build(told, channel), policy=policy.default)


def test_a_mail_says_it_twice_as_text_and_html():
    mail = parsed(message())
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    for said in ("81.25 % of 240 operations", "Success rate 81.25 %", "op-17 (TimeoutError)"):
        assert said in text
        assert said in html
    assert "Runbook: https://wiki.example.com/runbooks/parse?a=1&b=2" in text
    assert 'href="https://wiki.example.com/runbooks/parse?a=1&amp;b=2"' in html


def test_the_same_message_is_the_same_bytes():
    assert mails.build(message(), EMAIL) == mails.build(message(), EMAIL)


def test_an_incident_is_one_thread():
    opened = parsed(message())
    closed = parsed(message(resolved(), event="resolved", delivery="other"))
    assert opened["Message-ID"] != closed["Message-ID"]
    root = "<incident.3f6c1d0a9b8e7f65@example.com>"
    for mail in (opened, closed):
        assert mail["References"] == mail["In-Reply-To"] == root


def test_no_machine_answers_it():
    mail = parsed(message())
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Date"] == "Fri, 15 Jan 2027 08:00:01 +0000"
    assert mail["To"] == "a@example.com, b@example.com"
    assert mail["From"] == "opwatch@example.com"


def test_html_in_a_breach_is_text():
    mail = parsed(message(breach(summary="<script>alert(1)</script>")))
    _, html = mail.iter_parts()
    assert "<script>" not in html.get_content()
