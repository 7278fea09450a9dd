"""Mask secrets in texts: configured ones, passwords in URLs, and values named like a secret.

Every pattern here looks a bounded way ahead, so that masking takes time in proportion to the text.
"""

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable

MASK = "**********"

#: A shorter secret is not masked everywhere: it would mask parts of words.
_MIN_SECRET = 4
_NAMED_SO = "password|passwd|pwd|secret|api_?key|token"
_ASSIGNED = re.compile(
    rf"""(?ix) ( (?:{_NAMED_SO}) [\w.-]{{0,30}} ['"]? \s{{0,9}} [=:] \s{{0,9}} )
    ( "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s,;&"')}}\]]+ )"""
)
#: Also with one slash: Python's paths make one of two.
_SCHEME = r"(?i)(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}:/{1,3})"
#: The part before the last @ of the authority.
_USER = re.compile(_SCHEME + r"""([^\s/?#"<>\\]{0,2000})@""")
#: A password with / ? or # that was not escaped; a port is no password.
_ODD_USER = re.compile(
    _SCHEME + r"""([^\s/?#"<>\\@:]{0,200}):(?!\d{1,5}[/?#])[^\s"<>\\@]{0,500}@""",
)
_IN_QUERY = re.compile(
    rf"""(?ix) ( [?&;\#] [\w.~%-]{{0,60}}
    (?: {_NAMED_SO} | pass | key | sig | signature | auth | credentials? | session | code )
    [\w.~%-]{{0,60}} = ) ( [^\s&\#"<>\\]* )"""
)
#: A value such as user:password@host, which is no URL.
_BARE_USER = re.compile(r"(?<![^\s,;'\"])([^\s/?#:@,;'\"]{1,200}):[^\s]{1,500}@")
#: Webhooks whose address is the secret.
_HOOK = re.compile(
    r"(?i)\b(hooks\.slack(?:-gov)?\.com|discord(?:app)?\.com/api/webhooks"
    r"|[\w.-]{1,100}\.webhook\.office\.com|[\w.-]{1,100}\.logic\.azure\.com"
    r"|[\w.-]{1,100}\.powerplatform\.com|api\.telegram\.org)"
    r"""(?::\d+)?/[^\s"'<>\\]+"""
)


def masked(text: str) -> str:
    """Return the text without secrets: in URLs, or named like one (`password=…`)."""
    return _ASSIGNED.sub(_without_value, masked_urls(text))


def masked_urls(text: str) -> str:
    """Return the text without passwords and tokens in URLs; for our own sentences."""
    text = _HOOK.sub(rf"\1/{MASK}", text)
    text = _USER.sub(_without_password, text)
    text = _ODD_USER.sub(rf"\1\2:{MASK}@", text)
    return _IN_QUERY.sub(rf"\1{MASK}", text)


def masked_value(text: str) -> str:
    """Return the value of a setting without passwords: also where a scheme is missing."""
    return _BARE_USER.sub(rf"\1:{MASK}@", masked_urls(text))


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """Return a function that masks the values, and what looks like a secret, in a text."""
    forms = {
        form
        for value in values
        if len(value) >= _MIN_SECRET
        for form in (
            value,
            json.dumps(value)[1:-1],
            repr(value)[1:-1],
            urllib.parse.quote(value, safe=""),
        )
    }
    secrets = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))) or r"(?!)")
    return lambda text: masked(secrets.sub(MASK, text))


def _without_password(match: re.Match[str]) -> str:
    user, colon, _ = match[2].partition(":")
    return f"{match[1]}{user}:{MASK}@" if colon and user else f"{match[1]}{MASK}@"


def _without_value(match: re.Match[str]) -> str:
    value = match[2]
    quote = value[0] if value[0] in "\"'" else ""
    if value.strip("\"'") in ("None", "null", "", MASK):
        return match[0]
    return f"{match[1]}{quote}{MASK}{quote}"
