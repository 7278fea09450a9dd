"""Say how far a field's value stands in a text: 1 all of it, 0 nothing, None: nobody can tell.

What is derived or in other words is not expected there. A value is looked for as a whole, or else
word by word, longer ones weighing more, forms and misspellings of long words accepted; its numbers
and dates in whatever format. Legal forms, currencies and the like weigh nothing.
"""

import re

from pydantic import JsonValue
from rapidfuzz.fuzz import ratio
from rapidfuzz.process import extractOne

from streams.quality.days import day_of
from streams.quality.figures import numbers_at, shows_number
from streams.quality.other_names import OTHER_NAMES, STATES
from streams.quality.text import SearchText, plain, words_of

#: Words that a value may have and the text need not.
SILENT_WORDS = frozenset(
    words_of(
        "inc incorporated llc llp ltd limited gmbh mbh ag se kg ug ohg corp corporation co company"
        " plc sa sas sarl bv nv oy ab as aps srl spa pty pvt group holding holdings the and und et"
        " y of for at in a an der die das de la le el usd eur gbp chf cad aud dollar dollars euro"
        " euros per year years yr annum annual annually month monthly hour hourly day pa to from up"
        " bis ab ca approx gross brutto net about m w d f x all genders k com io org net www"
    ).split()
)
#: As a value these are conclusions.
_CONCLUSIONS = frozenset(
    words_of(
        "remote hybrid onsite worldwide anywhere yes no true false full part time fulltime parttime"
        " contract permanent temporary internship on site home office"
    ).split()
)
#: With these words a date stands in the input that is in no calendar.
_RELATIVE = re.compile(
    r"\b(?:(?:hours?|days?|weeks?|months?) ago|(?:posted|listed|updated|published):? (?:today|just|"
    r"yesterday)|just posted|vor \d+|hace \d+|il y a \d+)\b",
    re.IGNORECASE,
)
#: A field that says so is rightly null.
_EVASIVE = re.compile(
    r"\b(?:competitive|negotiable|tb[ad]|doe|depend\w*|confidential|secret|anonymous|undisclosed|not|no|none|without|kein\w*|ohne|var\w+|"
    r"on request|flexible|attractive|n/a|see|nach|verhandelbar|any\w*|unknown)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_ADDRESS = re.compile(r"\S+@\S+")
_NOTHING = frozenset(["", "n a", "na", "none", "null", "unknown", "not specified", "not stated"])
_NOTHING_BEGINS = frozenset("nNuU")
_WORD = re.compile(r"\w+")
_SAME_WORD = 84.0
_LONG_WORD = 5
_SHORT_WORD = 3
#: As an abbreviation (`TX`, `USA`), and after a comma, a word weighs less.
_ABBREVIATED = 0.3
_AFTER_COMMA = 0.2
_COMPOUND = 0.9
#: A number below it may stand there as a word.
_WORDED = 20
_THOUSAND = 1000
#: A larger number is no figure of a text.
_MOST = 1e15
_PERCENT = 100
_ID_DIGITS = 7
#: Of one value.
_MAX_VALUE = 2_000
_MAX_FUZZY_WORDS = 6


def is_nothing(value: JsonValue) -> bool:
    """Return whether a value says nothing: null, empty, `n/a`."""
    if isinstance(value, str):
        return len(value) < _WORDED and _says_nothing(value)
    return value is None or value in ([], {})


def _says_nothing(text: str) -> bool:
    if "0" <= text[:1] <= "z" and text[0].isalnum() and text[0] not in _NOTHING_BEGINS:
        return False  # the words of a text begin with its first character
    return words_of(text) in _NOTHING and not _has_signs(text)


def _has_signs(text: str) -> bool:
    """Return whether a text without letters says something all the same, as an emoji does."""
    return any(ord(character) > 0x2FF for character in text)


def number_support(value: float, text: SearchText) -> float | None:
    """Return how far a number stands in the text."""
    value = abs(value)
    if value > _MOST:
        return None
    if value < _WORDED and value == int(value):
        return 1.0 if value in text.numbers else None
    return float(_has_number(value, text))


def text_support(value: str, text: SearchText) -> float | None:
    """Return how far the words, numbers and dates of a value stand in the text."""
    value = plain(value[:_MAX_VALUE])
    words = words_of(value)
    if not words:
        return None
    if text.has(words):
        return 1.0
    if days := day_of(value, words.split()):
        if any(day.may_be(other) for day in days for other in text.days):
            return 1.0
        return None if not text.days or _RELATIVE.search(text.plain) else 0.0
    if _LINK.fullmatch(value.strip()) or _ADDRESS.fullmatch(value.strip()):
        return _address_support(value.strip().lower(), text)
    if set(words.split()) <= _CONCLUSIONS:
        return None
    digits = "".join(filter(str.isdecimal, words))
    if len(digits) >= _ID_DIGITS and digits[-_ID_DIGITS:] in text.digits:
        return 1.0
    return _by_parts(value, text)


def named_value(name: str, text: SearchText) -> str | None:
    """Return what the text has after a field's name and a colon; None where that says nothing."""
    match = _named(name, text)
    if match is None or is_evasive(match[1]):
        return None
    return match[0].strip() if re.search(r"[A-Z\d]", match[1]) else None


def is_withheld(name: str, text: SearchText) -> bool:
    """Return whether the text says by a field's name that it does not say: `Company: secret`."""
    match = _named(name, text)
    return match is not None and is_evasive(match[1])


def _named(name: str, text: SearchText) -> re.Match[str] | None:
    words = name.replace("_", " ")
    if len(words) < _LONG_WORD or not text.has(words_of(words)):
        return None
    pattern = rf"\b{re.escape(words)}\s{{0,3}}:\s{{0,5}}([^\n|·•;]{{2,60}})"
    return re.search(pattern, text.plain, re.IGNORECASE)


def is_evasive(value: str) -> bool:
    """Return whether a text says that it does not say: `competitive`, `on request`."""
    return words_of(value) in _NOTHING or _EVASIVE.search(value) is not None


def _address_support(value: str, text: SearchText) -> float | None:
    """Return whether a link or mail address stands there; None where only its title may."""
    address = value.split("://", 1)[-1].removeprefix("www.").rstrip("/")
    if address in text.raw:
        return 1.0
    return 0.0 if "@" in value or "://" in text.raw else None


def _by_parts(value: str, text: SearchText) -> float | None:
    """Return the share of the value's words and numbers that stand in the text."""
    whole = found = 0.0
    end = 0
    rest = ""
    for readings, (start, stop) in numbers_at(value):
        if (start and value[start - 1].isalnum()) or value[stop : stop + 1].isalnum():
            continue  # a part of a word, such as B2B
        rest += value[end:start] + " "
        end = stop
        weight = float(stop - start)
        whole += weight
        found += weight * any(_has_number(number, text) for number in readings)
    rest += value[end:]
    fuzzy = 0
    for number, part in enumerate(rest.split(",")):
        raw_words = _WORD.findall(part)
        shortened = _shortened(raw_words, text)
        for raw in raw_words:
            word = words_of(raw)
            if not word or word in SILENT_WORDS:
                continue
            if word in _CONCLUSIONS and word not in text.places:
                continue
            weight = _weight(raw, word) * (_AFTER_COMMA if number else 1)
            whole += weight
            if raw in shortened or word in text.places:
                found += weight
            elif fuzzy < _MAX_FUZZY_WORDS:
                fuzzy += 1
                found += weight * _resemblance(word, text)
    return found / whole if whole else None


def _weight(raw: str, word: str) -> float:
    shortened = len(raw) <= _SHORT_WORD and raw.isupper()
    return len(word) * (_ABBREVIATED if shortened else 1)


def _resemblance(word: str, text: SearchText) -> float:
    """Return 1 for a form or misspelling of a word of the text, 0.9 for a part of one."""
    if STATES.get(word) in text.acronyms:
        return 1.0
    if any(other in text.places for other in OTHER_NAMES.get(word, ())):
        return 1.0
    if len(word) < _LONG_WORD:
        return 0.0
    if word in text.compact:
        return _COMPOUND
    near = text.by_first_letter.get(word[0], ())
    return float(extractOne(word, near, scorer=ratio, score_cutoff=_SAME_WORD) is not None)


def _shortened(words: list[str], text: SearchText) -> set[str]:
    """Return the words whose initials stand in the text, or that are initials of its words."""
    found = {word for word in words if word in text.initials}
    for start in range(len(words)):
        for end in range(start + 2, min(start + 4, len(words)) + 1):
            if "".join(word[0] for word in words[start:end]) in text.acronyms:
                found.update(words[start:end])
    return found


def _has_number(value: float, text: SearchText) -> bool:
    value = round(abs(value), 4)
    if shows_number(value, text.plain):  # reading all numbers takes ten times as long
        return True
    if value in text.numbers or (round(value * _PERCENT, 4) in text.numbers and value < 1):
        return True
    # `60-80k`: of a range in thousands the unit stands at its end.
    in_thousands = value % _THOUSAND == 0 and value / _THOUSAND in text.numbers
    return in_thousands and any(number >= _THOUSAND for number in text.numbers)
