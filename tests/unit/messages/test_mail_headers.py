"""What a mail's headers say is what a reader reads, and every relay takes their form."""

import re
from email import message_from_string, policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.channels import Email
from schemas.mail_addresses import MailAddress, NoMailAddress, mail_address
from streams.channels import email as mails
from streams.channels.mail_headers import address_header, text_header
from streams.channels.text_format import one_line
from tests.effort import examples
from tests.unit.messages.samples import EMAIL, breach, message, resolved

_WORD = re.compile(r"=\?([^?]*)\?([bBqQ])\?([^?]*)\?=")
SCRIPTS = [
    st.characters(min_codepoint=low, max_codepoint=high)
    for low, high in (
        (0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA),
        (0x600, 0x6FF), (0x900, 0x97F), (0x2010, 0x2030), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
        (0x1F300, 0x1F64F),
    )
]  # fmt: skip
_words = st.lists(st.one_of(*(st.text(it, min_size=1, max_size=40) for it in SCRIPTS)), max_size=12)
TEXTS = st.builds(" ".join, _words).map(one_line)


def assert_words_are_whole(header: str) -> None:
    """By RFC 2047: none empty, none touches another, none longer than 75, each is whole UTF-8."""
    assert "?==?" not in header
    for line in header.split("\r\n"):
        assert len(line) <= 76 or "=?" not in line
        assert line.isascii()
    for word in _WORD.finditer(header):
        assert word[3]
        assert len(word[0]) <= 75
        ((raw, charset),) = decode_header(word[0])
        raw.decode(charset)


@settings(deadline=None, max_examples=examples(150))
@given(TEXTS)
@example('[CRITICAL] high_error_rate on parse_job_data{platform="lever – ashby"}')
@example('[CRITICAL] high_error_rate on parse{platform="Tribune de Genève"}')
@example("=?utf-8?q?smuggled?=")
def test_a_subject_is_read_as_it_was_meant_in_every_script_and_length(text):
    header = text_header("Subject", text)
    assert header.endswith("\r\n")
    assert_words_are_whole(header.removesuffix("\r\n"))
    mail = message_from_string(header + "\r\n", policy=policy.compat32)
    unfolded = re.sub(r"\r\n(?=[ \t])", "", mail["Subject"])
    assert str(make_header(decode_header(unfolded))) == text
    if text and "=?" not in text:
        assert message_from_string(header + "\r\n", policy=policy.default)["Subject"] == text


@settings(deadline=None, max_examples=examples(80))
@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(['a "quoted\\ name', "Genève"])
def test_the_names_of_addresses_are_read_as_they_were_meant(names):
    addresses = [
        MailAddress(name=name, local=f"a{at}", domain="example.com")
        for at, name in enumerate(names)
    ]
    header = address_header("To", addresses)
    assert_words_are_whole(header.removesuffix("\r\n"))
    mail = message_from_string(header + "\r\n", policy=policy.default)
    assert [it.addr_spec for it in mail["To"].addresses] == [it.bare for it in addresses]
    # Not by policy.default, which puts a blank between two encoded words of a name.
    unfolded = re.sub(r"\r\n(?=[ \t])", "", header.partition(": ")[2].strip())
    shown = [name for name, _ in getaddresses([unfolded])]
    assert [str(make_header(decode_header(name))) for name in shown] == names


@pytest.mark.parametrize("severity", ["low", "critical"])
@pytest.mark.parametrize("platform", ["lever – ashby", "Tribune de Genève", "дела", "求人"])
def test_every_byte_of_a_mail_has_seven_bits(severity, platform):
    about = breach(series=f'parse{{platform="{platform}"}}', severity=severity, summary=platform)
    for told in (message(about), message(resolved())):
        raw = mails.build(told, EMAIL)
        assert max(raw) < 128
        assert b"8bit" not in raw
        assert all(len(line) <= 78 for line in raw.split(b"\r\n"))


# ---------------------------------------------------------------- one definition of an address

ADDRESSES = {
    "a@example.com": ("", "a@example.com"),
    "opwatch@localhost": ("", "opwatch@localhost"),
    "Name <a@b.example>": ("Name", "a@b.example"),
    '"On call, nights" <a@b.example>': ("On call, nights", "a@b.example"),
    "Genève <a@b.example>": ("Genève", "a@b.example"),
    "<a@b.example>": ("", "a@b.example"),
    "opwatch@münchen.example": ("", "opwatch@xn--mnchen-3ya.example"),
    "jörg@example.com": ("", "jörg@example.com"),
    "a+b@Example.COM": ("", "a+b@example.com"),
}
NO_ADDRESSES = [
    "", "nobody", "a@b@c", "a b@example.com", "a@exa mple.com", "a@example.com\r\nBcc: x@y.z",
    "a@-x", "a@x-", "a@b..c", ".a@b.c", "a..b@c.d", "a@", "@b", "Name a@b.example",
    "a@b.example, c@d.example", "Na\nme <a@b.example>", "a\u2028@b.example", "x@straße.example",
    f"{'a' * 65}@example.com", f"a@{'b' * 64}.com", f"a@{'b.' * 127}com", f"{'ö' * 33}@example.com",
]  # fmt: skip


@pytest.mark.parametrize("written", ADDRESSES)
def test_an_address_is_read_alike_by_the_check_and_by_the_sender(written):
    channel = Email.model_validate(
        {"name": "mail", "type": "email", "to": [written], "from": written}
    )
    sender, (to,) = mails.addresses(channel)
    assert sender == to
    assert (to.name, to.bare) == ADDRESSES[written]


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_what_cannot_be_sent_to_is_refused_by_the_check(written):
    with pytest.raises(NoMailAddress, match="is no mail address: write"):
        mail_address(written)
    for fields in ({"to": [written]}, {"to": ["a@b.example"], "from": written}):
        with pytest.raises(ValueError, match="no mail address"):
            Email.model_validate({"name": "mail", "type": "email"} | fields)


@settings(deadline=None, max_examples=examples(100))
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_what_the_check_takes_makes_a_header_that_is_read_as_the_same_address(name, local, domain):
    try:
        address = mail_address(f"{name} <{local}@{domain}>")
    except NoMailAddress:
        return
    mail = message_from_string(address_header("From", [address]) + "\r\n", policy=policy.default)
    assert [it.addr_spec for it in mail["From"].addresses] == [address.bare]


def test_who_needs_smtputf8_is_named_only_where_it_is_offered():
    channel = EMAIL.model_copy(update={"to": ["jörg@example.com", "a@example.com"]})
    assert "jörg@".encode() not in mails.build(message(), channel)
    raw = mails.build(message(), channel, smtputf8=True)
    assert "To: jörg@example.com,\r\n a@example.com\r\n".encode() in raw
