"""Describe one operation's outcome, as services publish it on `operations`."""

from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, RootModel, WithJsonSchema

from schemas.received import AsText, Received, Whole, to_cache, to_duration

#: A name a person chose: an operation, a platform, a service. No control characters, and not
#: `*`, which stands for "all operations" in a series.
NAME_PATTERN = r"^(?:[^*\x00-\x1f\x7f][^\x00-\x1f\x7f]*|\*[^\x00-\x1f\x7f]+)$"
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NAME_PATTERN)]

#: The last millisecond of the year 9999, UTC: anything later is a unit mistake.
MAX_EPOCH_MS = 253_402_300_799_999
#: A smaller number is a time in seconds: as milliseconds it would be before March 1973.
FIRST_MS = 10**11
#: 115 days. Bounds the sums, and catches nanoseconds sent as milliseconds.
MAX_DURATION_MS = 1e10

GENERIC_PLATFORM = "generic"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(when: datetime) -> int:
    """Return a time as epoch milliseconds UTC, cut; one without an offset is UTC."""
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (when - _EPOCH) // timedelta(milliseconds=1)


def to_epoch_ms(value: object) -> object:
    """Return a time as epoch milliseconds, cut; leave what is none as it is.

    Raises:
        ValueError: the text is not an ISO 8601 time.
    """
    if isinstance(value, str):
        try:
            return epoch_ms(datetime.fromisoformat(value))
        except ValueError:
            raise ValueError("not an ISO 8601 time") from None
    if type(value) is int:
        return value * 1000 if value < FIRST_MS else value
    if isinstance(value, float) and isfinite(value):
        return floor(value * 1000 if value < FIRST_MS else value)
    return value


#: A time in a record of opwatch's own: what is read again stays the same.
OwnMs = Annotated[int, Field(ge=0, le=MAX_EPOCH_MS)]
#: A time in a record that services send.
EpochMs = Annotated[
    int,
    BeforeValidator(to_epoch_ms),
    Field(ge=0, le=MAX_EPOCH_MS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_EPOCH_MS},
                {"type": "string", "format": "date-time"},
            ]
        }
    ),
]


class Operation(Received):
    """One operation's outcome. One a record, or a JSON array of them: both are first-class."""

    version: Annotated[Literal[1], Whole] = 1
    id: Annotated[str, Field(min_length=1, max_length=128), AsText] = Field(
        description="Names this operation in exemplars and dead letters."
    )
    operation: Name = Field(description="What was done, such as parse_job_data.")
    platform: Name = Field(GENERIC_PLATFORM, description="On which platform.")
    occurred_at: EpochMs = Field(
        description="When it ended: epoch milliseconds (a number below 1e11 is seconds) or ISO 8601"
        " (UTC unless it says otherwise)."
    )
    success: bool
    duration_ms: Annotated[float, Field(ge=0, le=MAX_DURATION_MS), BeforeValidator(to_duration)] = (
        Field(description="How long it took, in milliseconds; kept to a microsecond; 0 down to -1.")
    )
    confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="How sure the result is, 0 to 1: low < 0.5 <= medium < 0.8 <= high."
    )
    cache: Annotated[Literal["hit", "miss"] | None, BeforeValidator(to_cache)] = Field(
        None, description="What the cache answered; other words count as none."
    )
    cache_ttl_s: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None, description="The entry's time to live, in seconds, where known."
    )
    cache_evictions: Annotated[int, Field(ge=0, le=10**9), Whole] | None = Field(
        None, description="Entries the cache evicted for this operation, where known."
    )
    error_type: Annotated[str | None, AsText] = Field(
        None, description="The failure's type, such as TimeoutError."
    )
    error_message: Annotated[str | None, AsText] = None
    service: Annotated[str | None, AsText] = Field(None, description="Who did it.")
    trace_id: Annotated[str | None, AsText] = None


class Operations(RootModel[Operation | list[Operation]]):
    """A record on `operations`."""
