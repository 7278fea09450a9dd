"""Say whether a value and a truth are the same, however each is written."""

from functools import lru_cache
from math import isclose

from pydantic import JsonValue
from rapidfuzz.fuzz import token_sort_ratio

from streams.quality.days import day_of
from streams.quality.figures import numbers_in
from streams.quality.text import plain, words_of
from streams.quality.values import SILENT_WORDS, is_nothing

_TRUE = frozenset(["yes", "true", "ja", "oui", "si", "y", "t", "1", "remote"])
_FALSE = frozenset(["no", "false", "nein", "non", "n", "f", "0", "onsite"])
_HEDGES = frozenset(
    ["likely", "probably", "probable", "possibly", "possible", "very", "is", "a", "an"]
)
_SAME = 88.0
_MOST = 1e300
_MAX_TEXT = 500
_MAX_ELEMENTS = 10
_SAME_ELEMENTS = 0.6


def agree(value: JsonValue, truth: JsonValue) -> bool:
    """Return whether the value says what the truth says; where nobody can tell, it does."""
    if isinstance(value, bool) or isinstance(truth, bool):
        mine, theirs = _as_boolean(value), _as_boolean(truth)
        return mine is None or theirs is None or mine is theirs
    if isinstance(value, list) or isinstance(truth, list):
        return _lists_agree(value, truth)
    if isinstance(value, dict) and isinstance(truth, dict):
        return all(agree(value[name], truth[name]) for name in value.keys() & truth.keys())
    if isinstance(value, int | float) and isinstance(truth, int | float):
        return _is_close(value, truth)
    if isinstance(value, int | float) and isinstance(truth, str):
        return _number_agrees(value, truth)
    if isinstance(truth, int | float) and isinstance(value, str):
        return _number_agrees(truth, value)
    if isinstance(value, str) and isinstance(truth, str):
        return _texts_agree(value, truth)
    return value is None and truth is None


def is_true(value: JsonValue, truth: JsonValue) -> bool:
    """Return whether a field's value is the truth; where one says nothing, both must."""
    if is_nothing(value) or is_nothing(truth):
        return is_nothing(value) and is_nothing(truth)
    return agree(value, truth)


def same_label(label: str, truth: JsonValue) -> bool:
    """Return whether a verdict is the true one: likely_ghost and Ghost are the same."""
    if isinstance(truth, bool) or not isinstance(truth, str):
        return agree(label, truth)
    mine, theirs = _label_words(label), _label_words(truth)
    return mine == theirs


@lru_cache(maxsize=1_000)
def label_key(label: str) -> str:
    """Return a label without case and punctuation: `Likely Ghost` is `likely ghost`."""
    return words_of(label)


def _label_words(label: str) -> list[str]:
    words = words_of(label).split()
    return [word for word in words if word not in _HEDGES] or words


def _as_boolean(value: JsonValue) -> bool | None:
    if isinstance(value, bool):
        return value
    words = words_of(str(value)[:_MAX_TEXT])
    return True if words in _TRUE else False if words in _FALSE else None


def _number_agrees(number: float, text: str) -> bool:
    numbers = numbers_in(text[:_MAX_TEXT])
    return any(_is_close(number, other) for other in numbers)


def _is_close(number: float, other: float) -> bool:
    if number == other or max(abs(number), abs(other)) > _MOST:  # a whole number may be endless
        return number == other
    return isclose(number, other, rel_tol=1e-3, abs_tol=1e-9)


def _lists_agree(value: JsonValue, truth: JsonValue) -> bool:
    mine = value if isinstance(value, list) else [value]
    theirs = truth if isinstance(truth, list) else [truth]
    mine, theirs = mine[:_MAX_ELEMENTS], theirs[:_MAX_ELEMENTS]
    if not mine or not theirs:
        return not mine and not theirs
    pairs = [[_elements_agree(it, other) for other in theirs] for it in mine]
    found = sum(map(any, pairs))
    covered = sum(map(any, zip(*pairs, strict=True)))
    return min(found / len(mine), covered / len(theirs)) >= _SAME_ELEMENTS


def _elements_agree(value: JsonValue, truth: JsonValue) -> bool:
    """Return whether two elements agree; nested ones must be equal, or time had no bound."""
    if isinstance(value, list | dict) or isinstance(truth, list | dict):
        return value == truth
    return agree(value, truth)


def _texts_agree(value: str, truth: str) -> bool:
    value, truth = plain(value[:_MAX_TEXT]), plain(truth[:_MAX_TEXT])
    mine, theirs = words_of(value), words_of(truth)
    if mine == theirs or mine.replace(" ", "") == theirs.replace(" ", ""):
        return bool(mine) or value == truth
    days, other_days = day_of(value, mine.split()), day_of(truth, theirs.split())
    if days and other_days:
        return any(day.may_be(other) for day in days for other in other_days)
    numbers, other_numbers = numbers_in(value), numbers_in(truth)
    if bool(numbers) and bool(other_numbers) and not numbers & other_numbers:
        return False
    if numbers & other_numbers and _is_figure(mine) and _is_figure(theirs):
        return True
    words, other_words = _content(mine), _content(theirs)
    if words <= other_words or other_words <= words:
        return bool(words and other_words)
    return token_sort_ratio(mine, theirs) >= _SAME and _figures(mine) == _figures(theirs)


def _content(words: str) -> set[str]:
    """Return the words that say something; all where none does."""
    found = set(words.split())
    return {word for word in found if word not in SILENT_WORDS} or found


def _is_figure(words: str) -> bool:
    """Return whether words are numbers and their units alone."""
    return all(word in SILENT_WORDS or word[0].isdigit() for word in words.split())


def _figures(words: str) -> set[str]:
    return {word for word in words.split() if any(map(str.isdigit, word))}
