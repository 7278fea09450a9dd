"""A message as a text message for Twilio: one segment, more only for a long name."""

import base64
import re
import urllib.parse
from contextlib import suppress
from dataclasses import replace

from schemas.channels import Sms
from streams.channels import wording
from streams.channels.message import Message, Traits
from streams.channels.request import FORM, MASK, Request, posted, shown
from streams.channels.response_meaning import (
    Answer,
    Rejected,
    Response,
    Retry,
    Sent,
    by_status,
    described,
    retry_after_ms,
)
from streams.channels.templates import TemplateFailed
from streams.channels.text_format import ELLIPSIS, one_line

#: https://www.twilio.com/docs/glossary/what-sms-character-limit
GSM_SEGMENT = 160
UCS2_SEGMENT = 70
#: https://www.twilio.com/docs/api/errors/21617
MAX_BODY = 1600
#: https://www.twilio.com/docs/glossary/what-is-gsm-7-character-encoding
GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Each of these takes two.
GSM_7_EXTENDED = frozenset("^{}\\[~]|€")
#: https://www.twilio.com/docs/messaging/services#sender-pool: such a sender is a service.
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
#: A number, a short code, or a name: https://www.twilio.com/docs/glossary/what-alphanumeric-sender-id
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 +&_-]{1,11}", re.ASCII)
#: https://help.twilio.com/articles/115002943027: one message a second.
TRAITS = Traits(max_alerts=1000, pace_ms=1_000, counts_unnamed=True)

#: https://www.twilio.com/docs/api/errors/20429: it was not accepted at all.
TOO_MANY = 20429
#: https://www.twilio.com/docs/api/errors: unsubscribed, too long, blocked, unknown, landline,
#: filtered.
PERMANENT = (21610, 21617, 30004, 30005, 30006, 30007)
CREATED = 201

#: What has a plain spelling is not worth half the characters.
_PLAIN = str.maketrans(
    {
        "–": "-",
        "—": "-",
        "…": "...",
        "×": "x",
        "≥": ">=",
        "≤": "<=",
        "•": "-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "→": "->",
        "\u00a0": " ",
        "`": "'",
    }
)


def is_sender(text: str) -> bool:
    """Return whether Twilio can send from it: a number, a short code, a name or a service."""
    return bool(_SERVICE.fullmatch(text) or _SENDER.fullmatch(text))


def requests(
    message: Message, channel: Sms, account: str, token: str, sender: str
) -> list[tuple[str, Request]]:
    """Return the POST to each recipient."""
    body = text(message, channel)
    basic = base64.b64encode(f"{account}:{token}".encode()).decode()
    sid = urllib.parse.quote(account, safe="")
    url = f"{channel.url.rstrip('/')}/2010-04-01/Accounts/{sid}/Messages.json"
    from_name = "MessagingServiceSid" if _SERVICE.fullmatch(sender) else "From"
    return [
        (
            to,
            posted(
                url,
                urllib.parse.urlencode({"To": to, from_name: sender, "Body": body}).encode(),
                FORM,
                authorization=f"Basic {basic}",
            ),
        )
        for to in channel.to
    ]


def read(response: Response, now_ms: int) -> Answer:
    """Return what Twilio means; after a 5xx nobody knows whether the text was sent."""
    code = response.json.get("code")
    words = [
        str(response.json[name]) for name in ("sid", "code", "message") if response.json.get(name)
    ]
    text = " ".join(words) or None
    if response.status == CREATED:
        return Sent(answer=described(response, text))
    if code == TOO_MANY:
        after_ms = retry_after_ms(response.retry_after, now_ms)
        return Retry(answer=described(response, text), after_ms=after_ms)
    if code in PERMANENT:
        return Rejected(answer=described(response, text))
    answer = by_status(response, now_ms, text)
    if isinstance(answer, Retry) and response.status >= 500:
        return replace(answer, ambiguous=True)
    return answer


def preview(message: Message, channel: Sms) -> bytes:
    """Return the POSTs, with masks in place of the account and its token."""
    texts = requests(message, channel, MASK, MASK, "${TWILIO_FROM}")
    return shown(*(request for _, request in texts))


def text(message: Message, channel: Sms) -> str:
    """Return what fits one segment: the template's text, or title, then figures, then the link.

    A title that one segment does not hold, since the alert's name is long, takes more of them.
    """
    if channel.template is not None:
        with suppress(TemplateFailed):  # there is no room to say so; `config check` does
            return one_segment(wording.by_template(message, channel.template))
    title = wording.title(message)
    observed = wording.observed(message.breach) or one_line(message.breach.summary)
    acknowledge = next((ln.url for ln in wording.links(message) if ln.text == "Acknowledge"), "")
    whole = f"{title}: {observed}"
    plain = one_line(title).translate(_PLAIN)
    for ending in (f" {acknowledge}" if acknowledge else "", ""):
        if segments_hold(f"{plain}...{ending}" if _is_gsm(plain + ending) else f"{plain}…{ending}"):
            return one_segment(whole, ending)
    return plain[:MAX_BODY]


def named(message: Message, channel: Sms) -> int:  # noqa: ARG001 - as the other channels'
    """Return how many of a message's alerts it names: there is room for one."""
    return 1


def one_segment(words: str, ending: str = "") -> str:
    """Return the words, cut where need be, and the ending, in one segment."""
    words = one_line(words).translate(_PLAIN)
    if segments_hold(words + ending):
        return words + ending
    ellipsis = "..." if _is_gsm(words + ending) else ELLIPSIS
    while words and not segments_hold(f"{words}{ellipsis}{ending}"):
        words = words[:-1]
    return f"{words.rstrip()}{ellipsis}{ending}"


def segments_hold(words: str) -> bool:
    """Whether the words are one segment."""
    return length(words) <= (GSM_SEGMENT if _is_gsm(words) else UCS2_SEGMENT)


def length(words: str) -> int:
    """Return how much of a segment the words take: septets of GSM-7, or UTF-16 units."""
    if _is_gsm(words):
        return sum(2 if character in GSM_7_EXTENDED else 1 for character in words)
    return len(words.encode("utf-16-be", "surrogatepass")) // 2


def _is_gsm(words: str) -> bool:
    return all(character in GSM_7 or character in GSM_7_EXTENDED for character in words)
