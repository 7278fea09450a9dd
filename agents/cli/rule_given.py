"""Describe a file of rule tests: given these minutes, expect these breaches."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from agents.cli.rule_values import Value, values
from schemas.rules import Configured, Severity
from schemas.series import WindowSize
from schemas.spans import Minutes
from streams.measure.series import parse_series

#: A Monday, so that windows of any size begin with it.
START = "2026-03-02T00:00:00Z"
OF_OPERATIONS, OF_SERVICE = "of operations", "of a service"
Told = Literal["up", "degraded", "down", "silent", "unknown"]
Verdict = Literal["improving", "stable", "degrading", "insufficient_data"]


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


Row = Annotated[str | int | float, AfterValidator(_text)]


class Given(Configured):
    """What a series of operations published; a value a minute (or a window)."""

    series: str
    window: WindowSize = "1m"
    count: Row
    failures: Row | None = None
    duration_ms: Row | None = Field(None, description="Every operation takes so long.")
    lookups: Row | None = None
    hits: Row | None = None
    evictions: Row | None = None
    ttl_s: Row | None = None
    confidence: Row | None = Field(None, description="Per cent.")
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

    def columns(self) -> dict[str, list[Value]]:
        """Return the values by field; a single one stands for all windows of `count`."""
        told = {
            name: values(str(text))
            for name in type(self).model_fields
            if name not in ("series", "window") and (text := getattr(self, name)) is not None
        }
        length = len(told["count"])
        return {
            name: column * length if len(column) == 1 else column for name, column in told.items()
        }


class GivenService(Configured):
    """What was known of a service, a word a minute: up, degraded, down, silent, unknown."""

    service: str
    status: str

    @field_validator("status")
    @classmethod
    def _known(cls, text: str) -> str:
        _only(values(text), get_args(Told))
        return text

    def statuses(self) -> list[Any]:
        """Return a status a minute."""
        return values(self.status)


def _which(given: Any) -> str:
    named = given if isinstance(given, dict) else {}
    return OF_SERVICE if "service" in named else OF_OPERATIONS


AnyGiven = Annotated[
    Annotated[Given, Tag(OF_OPERATIONS)] | Annotated[GivenService, Tag(OF_SERVICE)],
    Discriminator(_which),
]


class Open(Configured):
    """A breach; only what is said here is compared."""

    rule: str
    series: str | None = None
    severity: Severity | None = None
    why: str | None = None


class Expect(Configured):
    """What is so once the first minutes are all there."""

    at: Minutes
    open: list[Open] | None = Field(None, description="Every breach that is open, no other.")
    resolved: list[Open] | None = Field(
        None, description="Every breach that was resolved since the expectation before."
    )

    def all(self) -> list[Open]:
        """Return every breach that is named."""
        return [*(self.open or ()), *(self.resolved or ())]

    @model_validator(mode="after")
    def _something(self) -> "Expect":
        if self.open is None and self.resolved is None:
            message = "expects nothing: write `open: []` where no breach may be open"
            raise ValueError(message)
        return self


class Case(Configured):
    """One case."""

    name: str
    start: Annotated[str, AfterValidator(_moment)] = START
    rules: list[str] = Field(
        default_factory=list, description="Look at these rules only; none: at all."
    )
    given: Annotated[list[AnyGiven], Field(min_length=1)]
    expect: Annotated[list[Expect], Field(min_length=1)]

    @property
    def start_ms(self) -> int:
        """When minute 0 begins."""
        moment = datetime.fromisoformat(self.start)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class TestFile(Configured):
    """Rule tests and the rule file they are of."""

    rule_file: str = Field(description="Beside this file.")
    tests: Annotated[list[Case], Field(min_length=1)]


def _only(told: list[Value], allowed: tuple[str, ...]) -> None:
    for value in told:
        if value is not None and value not in allowed:
            message = f"{value!r} is none of {', '.join(allowed)}"
            raise ValueError(message)
