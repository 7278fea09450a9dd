"""Say whether a quote stands in a text, was altered, or is invented.

A quote is cut at its ellipses, and into pieces of at most 20 words. A piece that does not stand in
the text as it is gets compared with the passage that has most of its words, found by its rarest
ones: so the time is in proportion to text and quotes.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from rapidfuzz.fuzz import partial_ratio_alignment, ratio
from rapidfuzz.process import extractOne

from streams.quality.text import SearchText, plain, words_of

Verdict = Literal["real", "altered", "invented"]

_ELLIPSIS = re.compile(r"\[?\(?(?:\.\s?\.\s?\.|…)\.*\)?\]?")
_PIECE_WORDS = 20
#: Compared at most, of a quote.
_MAX_PIECES = 10
#: In a longer one a piece is looked for only where its rare words are.
_SHORT_TEXT = 20_000
_ANCHORS = 6
_PLACES_OF_ANCHOR = 8
_PASSAGES = 3
#: Below this ratio (0-100) to its best passage a piece is invented; above the other it is real.
_INVENTED = 72.0
_LEAST = 30.0
"""A similarity below it is not looked at."""
_REAL = 86.0
_SAME_WORD = 80.0
_LONG_WORD = 4
#: The share of its letters that a real piece may have in words that the passage lacks.
_MISSING = 0.15
#: They come and go with `&`, `/` and line breaks.
_JOINING = frozenset(["and", "und", "et", "y", "or", "the", "a", "an", "of"])
_NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "without",
        "cannot",
        "t",
        "nicht",
        "kein",
        "keine",
        "keinen",
        "nie",
        "ohne",
        "pas",
        "jamais",
        "sans",
        "sin",
        "nunca",
    ]
)


class QuoteVerdict(NamedTuple):
    """How a quote stands in a text."""

    verdict: Verdict
    similarity: float
    """Of its worst piece to the best passage, 0 to 100."""
    difference: str = ""
    """What the text does not say, in the quote's words."""
    is_turned: bool = False
    """Whether a figure or a negation is what differs."""


_ORDER: tuple[Verdict, ...] = ("real", "altered", "invented")


def quote_in(quote: str, text: SearchText) -> QuoteVerdict | None:
    """Return how the quote stands in the text; None of one without letters and digits."""
    worst: QuoteVerdict | None = None
    for piece in _pieces(quote, text):
        verdict = _piece_in(piece, text)
        if worst is None or _ORDER.index(verdict.verdict) > _ORDER.index(worst.verdict):
            worst = verdict
    return worst


def _pieces(quote: str, text: SearchText) -> Iterator[str]:
    whole = words_of(plain(quote))
    if not whole:
        return
    if text.has(whole):
        yield whole
        return
    number = 0
    for part in _ELLIPSIS.split(plain(quote)):
        words = words_of(part).split()
        for start in range(0, len(words), _PIECE_WORDS):
            if number < _MAX_PIECES:
                number += 1
                yield " ".join(words[start : start + _PIECE_WORDS])


def _piece_in(piece: str, text: SearchText) -> QuoteVerdict:
    if len(text.words) < _SHORT_TEXT and text.has(piece):
        return QuoteVerdict("real", 100.0)
    words = piece.split()
    near = max(_passages(words, text), key=lambda near: _shared(words, near), default=[])
    passage = " ".join(near)
    if f" {piece} " in f" {passage} ":
        return QuoteVerdict("real", 100.0)
    alignment = partial_ratio_alignment(piece, passage, score_cutoff=_LEAST)
    if alignment is None or alignment.score < _INVENTED:
        return QuoteVerdict("invented", alignment.score if alignment else 0.0)
    if len(passage) >= len(piece):  # else it was the passage that was looked for in the piece
        passage = _whole_words(passage, alignment.dest_start, alignment.dest_end)
    return _compared(words, passage, alignment.score)


def _passages(words: list[str], text: SearchText) -> Iterator[list[str]]:
    length = len(words) + len(words) // 4 + 3
    for start in _starts(words, text):
        yield text.word_list[max(start - 3, 0) : max(start + length, 0)]


def _shared(words: list[str], near: list[str]) -> int:
    return sum(map(len, set(words).intersection(near)))


def _starts(words: list[str], text: SearchText) -> list[int]:
    """Return where in the text the piece may begin: where most of its rare words say so."""
    occurring = [
        (len(text.places[word]), place, word)
        for place, word in enumerate(words)
        if word in text.places
    ]
    votes: Counter[int] = Counter()
    for _, place, word in sorted(occurring)[:_ANCHORS]:
        for at in text.places[word][:_PLACES_OF_ANCHOR]:
            votes[at - place] += 1
    return [start for start, _ in votes.most_common(_PASSAGES)]


def _whole_words(near: str, begin: int, end: int) -> str:
    """Return the passage from begin to end with the words whole that it cuts."""
    begin = near.rfind(" ", 0, begin + 1) + 1
    after = near.find(" ", max(end - 1, 0))
    return near[begin : after if after >= 0 else len(near)]


def _compared(words: list[str], passage: str, similarity: float) -> QuoteVerdict:
    """Return whether a piece that resembles a passage says what the passage says."""
    there = passage.split()
    distinct = set(there)
    compact = passage.replace(" ", "")
    missing = [
        word
        for word in words
        if not (word in distinct or word in _JOINING or word in compact or _is_alike(word, there))
    ]
    share = sum(map(len, missing)) / sum(map(len, words))
    turned = _NEGATIONS & distinct.symmetric_difference(words)
    wrong = [word for word in missing if any(map(str.isdigit, word))]
    wrong += sorted(turned)
    if wrong:
        return QuoteVerdict("altered", similarity, " ".join(wrong), is_turned=True)
    if missing and (similarity < _REAL or share > _MISSING):
        return QuoteVerdict("altered", similarity, " ".join(missing[:5]))
    return QuoteVerdict("real", similarity)


def _is_alike(word: str, others: list[str]) -> bool:
    if len(word) < _LONG_WORD or any(map(str.isdigit, word)):
        return False
    return extractOne(word, others, scorer=ratio, score_cutoff=_SAME_WORD) is not None
