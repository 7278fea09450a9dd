"""Describe a file of rule tests: minutes of series, and the breaches that they must open."""

import re
from datetime import UTC, datetime
from itertools import chain, zip_longest
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from schemas.rules import Configured, Severity
from schemas.series import WindowSize
from schemas.spans import Minutes
from streams.measure.series import parse_series
from streams.quality.score_series import parse_score_series

#: A Monday, so that windows of any size begin with it.
START = "2026-03-02T00:00:00Z"
OF_OPERATIONS, OF_SERVICE, OF_SCORES = "of operations", "of a service", "of scores"
StatusWord = Literal["up", "degraded", "down", "silent", "unknown"]
#: None is a minute without any value.
MinuteValue = float | str | None
Verdict = Literal["improving", "stable", "degrading", "insufficient_data"]

_NUMBER = r"\d+(?:\.\d+)?"
_TOKEN = re.compile(
    rf"(?P<gap>_)|(?P<first>{_NUMBER})(?:(?P<sign>[+-])(?P<step>{_NUMBER}))?|(?P<word>[a-z_]+?)"
)
_TIMES = re.compile(r"x(\d+)")
#: A week of minutes: more is a typing mistake.
_MAX_VALUES = 10_080


def values(text: str) -> list[MinuteValue]:
    """Return a value a minute, None for a minute without any.

    `5` is one minute, `5x3` three, `0+10x3` is 0, 10, 20; `_x2` two minutes of nothing; words are
    written the same way: `up x5 down x2`.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    parts = re.sub(r"\s+x(?=\d)", "x", text.strip()).split()
    found = list(chain.from_iterable(_part(part) for part in parts))
    if not found:
        message = "is empty: write a value a minute, such as 100x5"
        raise ValueError(message)
    if len(found) > _MAX_VALUES:
        message = f"are {len(found)} minutes: at most {_MAX_VALUES}"
        raise ValueError(message)
    return found


def _text(value: str | int | float) -> str:
    values(str(value))
    return str(value)


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        message = f'{text!r} is no ISO 8601 time: write it in quotes, "{START}"'
        raise ValueError(message) from None
    return text


ValuesText = Annotated[str | int | float, AfterValidator(_text)]


class OperationsMinutes(Configured):
    """What a series of operations published: a value for each minute, or each window."""

    series: str
    window: WindowSize = "1m"
    count: ValuesText
    failures: ValuesText | None = None
    duration_ms: ValuesText | None = Field(None, description="Every operation takes this long.")
    lookups: ValuesText | None = None
    hits: ValuesText | None = None
    evictions: ValuesText | None = None
    ttl_s: ValuesText | None = None
    confidence: ValuesText | None = Field(None, description="Per cent.")
    trend: str | None = Field(None, description="A verdict a window, for windows from 1h on.")

    @field_validator("series")
    @classmethod
    def _named(cls, name: str) -> str:
        parse_series(name)
        return name

    @field_validator("trend")
    @classmethod
    def _verdicts(cls, text: str | None) -> str | None:
        _only(values(text) if text else [], get_args(Verdict))
        return text

    def columns(self) -> dict[str, list[MinuteValue]]:
        """Return the values by field; a single one stands for all windows of `count`."""
        columns = {
            name: values(str(text))
            for name in type(self).model_fields
            if name not in ("series", "window") and (text := getattr(self, name)) is not None
        }
        length = len(columns["count"])
        return {
            name: column * length if len(column) == 1 else column
            for name, column in columns.items()
        }


class ScoreMinutes(Configured):
    """What a series of scores published: a value for each minute, or each window."""

    scores: str = Field(description='The series, such as overall:*{model="small"}.')
    window: WindowSize = "1m"
    count: ValuesText
    score: ValuesText = Field(description="Every result has this score, from 0 to 1.")

    @field_validator("scores")
    @classmethod
    def _named(cls, name: str) -> str:
        parse_score_series(name)
        return name

    @field_validator("score")
    @classmethod
    def _are_scores(cls, text: str | int | float) -> str | int | float:
        for value in values(str(text)):
            if isinstance(value, float) and value > 1:
                message = f"{value:g} is no score: they are from 0 to 1"
                raise ValueError(message)
        return text

    def rows(self) -> list[tuple[MinuteValue, MinuteValue]]:
        """Return the count and the score of each window."""
        counts, scores = values(str(self.count)), values(str(self.score))
        length = max(len(counts), len(scores))
        counts, scores = (it * length if len(it) == 1 else it for it in (counts, scores))
        return list(zip_longest(counts, scores))


class ServiceMinutes(Configured):
    """The status of a service, a word for each minute: up, degraded, down, silent, unknown."""

    service: str
    status: str

    @field_validator("status")
    @classmethod
    def _words(cls, text: str) -> str:
        _only(values(text), get_args(StatusWord))
        return text

    def statuses(self) -> list[Any]:
        """Return a status a minute."""
        return values(self.status)


def _kind_of(body: Any) -> str:
    if isinstance(body, dict) and "scores" in body:
        return OF_SCORES
    named = isinstance(body, dict) and "service" in body
    return OF_SERVICE if named else OF_OPERATIONS


SeriesMinutes = Annotated[
    Annotated[OperationsMinutes, Tag(OF_OPERATIONS)]
    | Annotated[ServiceMinutes, Tag(OF_SERVICE)]
    | Annotated[ScoreMinutes, Tag(OF_SCORES)],
    Discriminator(_kind_of),
]


class ExpectedBreach(Configured):
    """A breach; only the fields that the test names are compared."""

    rule: str
    series: str | None = None
    severity: Severity | None = None
    why: str | None = None
    muted: str | None = Field(
        None, description="The time interval that mutes it when it opens; empty: none does."
    )


class Expectation(Configured):
    """The breaches after the first minutes."""

    at: Minutes
    open: list[ExpectedBreach] | None = Field(
        None, description="Every breach that is open, no other."
    )
    resolved: list[ExpectedBreach] | None = Field(
        None, description="Every breach that was resolved since the expectation before."
    )

    def all(self) -> list[ExpectedBreach]:
        """Return every breach that the expectation names."""
        return [*(self.open or ()), *(self.resolved or ())]

    @model_validator(mode="after")
    def _something(self) -> "Expectation":
        if self.open is None and self.resolved is None:
            message = "expects nothing: write `open: []` where no breach may be open"
            raise ValueError(message)
        return self


class RuleTest(Configured):
    """A test: minutes of series, and the breaches expected of them."""

    name: str
    start: Annotated[str, AfterValidator(_moment)] = START
    rules: list[str] = Field(
        default_factory=list, description="Look at these rules only; empty: at all rules."
    )
    series: Annotated[list[SeriesMinutes], Field(alias="given", min_length=1)]
    expect: Annotated[list[Expectation], Field(min_length=1)]

    @property
    def start_ms(self) -> int:
        """Return when minute 0 begins, epoch ms."""
        moment = datetime.fromisoformat(self.start)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class RuleTestFile(Configured):
    """Rule tests, and the rule file that they test."""

    rule_file: str = Field(description="Its path, from the folder of this file.")
    tests: Annotated[list[RuleTest], Field(min_length=1)]


def _only(found: list[MinuteValue], allowed: tuple[str, ...]) -> None:
    for value in found:
        if value is not None and value not in allowed:
            message = f"{value!r} is none of {', '.join(allowed)}"
            raise ValueError(message)


def _part(part: str) -> list[MinuteValue]:
    value, _, _ = part.partition("x")
    times = _TIMES.fullmatch(part[len(value) :]) if value != part else None
    match = _TOKEN.fullmatch(value)
    if match is None or (times is None and value != part):
        message = f"{part!r} is no value: write 100, 100x5, 0+10x5, _ or up x5"
        raise ValueError(message)
    count = min(int(times[1]), _MAX_VALUES + 1) if times else 1
    if match["gap"]:
        return [None] * count
    if match["word"]:
        return [match["word"]] * count
    first, step = float(match["first"]), float(match["step"] or 0)
    step = -step if match["sign"] == "-" else step
    return [max(first + step * at, 0.0) for at in range(count)]
