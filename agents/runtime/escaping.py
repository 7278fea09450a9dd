"""Escape what a terminal would obey, hide or reorder: controls, bidi, zero width, surrogates.

Names, messages and errors come from anyone who can write to a topic. One function decides what is
shown as it is, for tables, sentences, JSON and logs.
"""

import json
import re
from typing import Any

#: Printable in Unicode, but blank on the screen: fillers, joiners, variation selectors.
_BLANK = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
_BLANKS = re.compile(f"[{_BLANK}]")
_SHORT, _LONG = 0x100, 0x10000


def visible(text: str, keep: str = "") -> str:
    r"""Return the text with an escape such as \x9b or \u202e for what cannot be seen.

    Args:
        text: from anywhere.
        keep: what stays as it is, such as a line feed.
    """
    if text.isprintable() and _BLANKS.search(text) is None:
        return text
    return "".join(
        letter if letter in keep or _is_seen(letter) else _escape(letter) for letter in text
    )


def json_text(value: Any, *, indent: int | None = None) -> str:
    r"""Return the value as JSON in which what cannot be seen is \u and four digits."""
    return visible_json(json.dumps(value, indent=indent, ensure_ascii=False), keep="\n")


def visible_json(text: str, keep: str = "") -> str:
    """Return the same JSON with escapes for what cannot be seen."""
    if text.isprintable() and _BLANKS.search(text) is None:
        return text
    return "".join(
        letter if letter in keep or _is_seen(letter) else json.dumps(letter)[1:-1]
        for letter in text
    )


def _is_seen(letter: str) -> bool:
    return letter.isprintable() and _BLANKS.match(letter) is None


def _escape(letter: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(letter)
    if named is not None:
        return named
    code = ord(letter)
    if code < _SHORT:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _LONG else f"\\U{code:08x}"
