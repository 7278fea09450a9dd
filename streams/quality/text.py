"""Read an input so that what is quoted of it is found again, whatever its spelling."""

import html
import re
import unicodedata
from collections import defaultdict
from functools import cached_property

from streams.quality.days import Day, days_in
from streams.quality.figures import numbers_in

#: Unescaped twice: pages that are quoted in pages are escaped twice.
_ENTITY_ROUNDS = 2
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_ACRONYM = re.compile(r"\b[A-Z]{2,4}\b")
_CAPITALISED = re.compile(r"[A-Z][a-z]+(?:[ -][A-Z][a-z]+)+")
_LINK = re.compile(r"\]\([^()\s]*\)")
_SPACES = re.compile("  +")
_LETTERS = {"ø": "o", "æ": "a", "œ": "o", "ł": "l", "đ": "d", "ı": "i"}
#: More distinct characters than a text in any script has.
_MAX_FOLDS = 50_000
#: Two of them are sentences of their own.
_LONGEST_FOLD = 4
_ASCII_WORDS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and chr(code).isalnum() else ord(" ")
    for code in range(256)
)
#: Chinese, Japanese, Thai: words are written without spaces.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
#: A text with this many letters and digits is no accident, also across the borders of words.
_NO_ACCIDENT = 12


class _Folds(dict[int, str]):
    """What each character is without case and accents; a space for what is no letter or digit.

    Of single characters: Python's normalising a whole text takes the square of a run of marks.
    """

    def __missing__(self, code: int) -> str:
        if len(self) > _MAX_FOLDS:
            self.clear()
        self[code] = folded = _folded(chr(code))
        return folded


def _folded(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("M") or category == "Cf":  # accents, soft hyphens, joiners
        return ""
    # Letters of mathematics are capitals only once they are plain, and folding makes accents anew.
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    text = "".join(_LETTERS.get(part, part) for part in text if part.isalnum() or part.isspace())
    return text[:_LONGEST_FOLD] or " "


_FOLDS = _Folds()
_ASCII = bytes(range(128))
#: Of more distinct ones, translating the text as a whole takes less time.
_FEW_FOREIGN = 50


def plain(text: str) -> str:
    """Return a text without tags, entities and the targets of links."""
    for _ in range(_ENTITY_ROUNDS):
        if "&" in text:
            text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    return _LINK.sub("] ", text) if "](" in text else text


def words_of(text: str) -> str:
    """Return the words of a text, a space between: without case, accents and punctuation.

    Umlauts are as those write them who have none: Müller, Mueller and Muller are the same.
    """
    if not text.isascii():
        text = _without_accents(text)
    is_ascii = text.isascii()
    if is_ascii:
        text = text.encode().translate(_ASCII_WORDS).decode()
    text = text.replace("ae", "a").replace("oe", "o").replace("ue", "u")
    if not is_ascii:
        return " ".join(text.split())
    if "  " in text:  # making an object of each word takes twice as long
        text = _SPACES.sub(" ", text)
    return text.strip(" ")


def _without_accents(text: str) -> str:
    """Return the text folded; where that leaves ASCII alone, its own ASCII may be as it was."""
    encoded = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    foreign = set(encoded.decode("utf-8", "surrogatepass"))
    folds = [(character, _FOLDS[ord(character)]) for character in foreign]
    if len(folds) > _FEW_FOREIGN or not all(fold.isascii() for _, fold in folds):
        return text.translate(_FOLDS)
    for character, fold in folds:
        text = text.replace(character, fold)
    return text


class SearchText:
    """A text in which quotes and values are looked for; it is read as far as they need."""

    def __init__(self, text: str) -> None:
        self._raw = text
        self.plain = plain(text)
        self.words = words_of(self.plain)
        self._padded = f" {self.words} "

    def has(self, words: str) -> bool:
        """Return whether words that `words_of` returned stand in the text as they are."""
        if not words:
            return False
        if f" {words} " in self._padded:
            return True
        compact = words.replace(" ", "")
        if len(compact) < _NO_ACCIDENT and not _UNSPACED.search(compact):
            return False
        return compact in self.compact

    @cached_property
    def compact(self) -> str:
        """Letters and digits only."""
        return self.words.replace(" ", "")

    @cached_property
    def raw(self) -> str:
        """As it came, with the links in its tags, in small letters."""
        return self._raw.lower()

    @cached_property
    def word_list(self) -> list[str]:
        """The words in their order."""
        return self.words.split()

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where in `word_list` each word stands."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(self.word_list):
            places[word].append(place)
        return dict(places)

    @cached_property
    def acronyms(self) -> frozenset[str]:
        """Its words of two to four capital letters."""
        return frozenset(_ACRONYM.findall(self.plain))

    @cached_property
    def initials(self) -> frozenset[str]:
        """Those of two to four words that begin with capital letters and stand together."""
        found: set[str] = set()
        for run in _CAPITALISED.findall(self.plain):
            letters = "".join(word[0] for word in re.findall(r"[A-Z][a-z]+", run))
            for length in (2, 3, 4):
                found.update(letters[at : at + length] for at in range(len(letters) - length + 1))
        return frozenset(found)

    @cached_property
    def by_first_letter(self) -> dict[str, list[str]]:
        """The distinct words by their first letter."""
        found: dict[str, list[str]] = defaultdict(list)
        for word in self.places:
            found[word[0]].append(word)
        return dict(found)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """Every number in the text, in each way that it can be read."""
        return numbers_in(self.plain)

    @cached_property
    def days(self) -> frozenset[Day]:
        """Every date in the text, in each way that it can be read."""
        return days_in(self.plain, self.word_list)

    @cached_property
    def digits(self) -> str:
        """Digits only."""
        return "".join(filter(str.isdecimal, self.words))
