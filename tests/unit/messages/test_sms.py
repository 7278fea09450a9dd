import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.channels import sms
from tests.unit.messages.samples import SMS, breach, message, resolved


@pytest.mark.parametrize(
    ("words", "length", "one"),
    [
        ("a" * 160, 160, True),
        ("a" * 161, 161, False),
        ("[" * 80, 160, True),
        ("[" * 80 + "a", 161, False),
        ("€" * 80, 160, True),
        ("ж" * 70, 70, True),
        ("ж" * 71, 71, False),
        ("😀" * 35, 70, True),
        ("😀" * 36, 72, False),
    ],
)
def test_a_segment_holds_what_it_holds(words, length, one):
    assert sms.length(words) == length
    assert sms.segments_hold(words) is one


@given(st.text(max_size=300), st.sampled_from(["", " https://x.example/ack/1"]))
def test_whatever_is_said_is_one_segment(words, ending):
    told = sms.one_segment(words, ending)
    assert sms.segments_hold(told)
    assert told.endswith(ending)


def test_a_page_says_what_matters_and_where_to_acknowledge():
    told = sms.text(message(), SMS)
    assert told.startswith('[HIGH] parse_success on parse_job_data{platform="lever"}')
    assert told.endswith("240 samples) https://opwatch.example.com/ack/abc")
    assert sms.segments_hold(told)


def test_a_template_that_fails_leaves_the_default_with_its_state():
    broken = SMS.model_copy(update={"template": "{{ nobody.knows }}"})
    over = message(resolved(), event="resolved")
    assert sms.text(message(), broken) == sms.text(message(), SMS)
    assert sms.text(over, broken).startswith("[RESOLVED] ")


def test_what_does_not_fit_is_cut_before_the_link():
    told = sms.text(message(breach(series="s" * 200)), SMS)
    assert told.startswith("[HIGH] parse_success on sss")
    told = sms.text(message(breach(series="s" * 90)), SMS)
    assert told.endswith("... https://opwatch.example.com/ack/abc")
    assert sms.length(told) == sms.GSM_SEGMENT


def test_a_plain_spelling_saves_half_the_characters():
    told = sms.text(message(breach(rule="a…b–c"), acknowledge_url=None), SMS)
    assert told.startswith("[HIGH] a...b-c on")
    assert "Success rate 81.25 %" in told


def test_the_form_is_twilios():
    ((to, request),) = sms.requests(message(), SMS, "AC" + "0" * 32, "token", "+15005550001")
    assert to == "+15005550006"
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    form = dict(urllib.parse.parse_qsl(request.body.decode()))
    assert form == {"To": to, "From": "+15005550001", "Body": sms.text(message(), SMS)}
    ((_, other),) = sms.requests(message(), SMS, "AC", "token", "MG" + "0" * 32)
    assert "MessagingServiceSid=MG" in other.body.decode()
