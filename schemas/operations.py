"""Describe one operation's outcome, as services publish it on `operations`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, RootModel, WithJsonSchema

from schemas.base import Wire

#: A name a person chose: an operation, a platform, a service. No control characters, and not
#: `*`, which stands for "all operations" in a series.
NAME_PATTERN = r"^(?:[^*\x00-\x1f\x7f][^\x00-\x1f\x7f]*|\*[^\x00-\x1f\x7f]+)$"
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NAME_PATTERN)]

#: The last millisecond of the year 9999, UTC: anything later is a unit mistake.
MAX_EPOCH_MS = 253_402_300_799_999
#: 115 days. Bounds the sums, and catches nanoseconds sent as milliseconds.
MAX_DURATION_MS = 1e10

GENERIC_PLATFORM = "generic"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_ms(when: datetime) -> int:
    """Return a time as epoch milliseconds UTC, cut; one without an offset is UTC."""
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (when - _EPOCH) // timedelta(milliseconds=1)


def to_epoch_ms(value: object) -> object:
    """Return an ISO 8601 time as epoch milliseconds UTC; leave anything else as it is.

    Raises:
        ValueError: the text is not an ISO 8601 time.
    """
    return epoch_ms(datetime.fromisoformat(value)) if isinstance(value, str) else value


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


class Operation(Wire):
    """One operation's outcome. One a record, or a JSON array of them: both are first-class."""

    version: Literal[1] = 1
    id: Annotated[str, Field(min_length=1, max_length=128)] = Field(
        description="Names this operation in exemplars and dead letters."
    )
    operation: Name = Field(description="What was done, such as parse_job_data.")
    platform: Name = Field(GENERIC_PLATFORM, description="On which platform.")
    occurred_at: EpochMs = Field(
        description="When it ended: epoch milliseconds or ISO 8601 (UTC unless it says otherwise)."
    )
    success: bool
    duration_ms: Annotated[float, Field(ge=0, le=MAX_DURATION_MS)] = Field(
        description="How long it took, in milliseconds; kept to a microsecond."
    )
    confidence: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="How sure the result is, 0 to 1: low < 0.5 <= medium < 0.8 <= high."
    )
    cache: Literal["hit", "miss"] | None = Field(None, description="What the cache answered.")
    cache_ttl_s: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None, description="The entry's time to live, in seconds, where known."
    )
    cache_evictions: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        None, description="Entries the cache evicted for this operation, where known."
    )
    error_type: str | None = Field(None, description="The failure's type, such as TimeoutError.")
    error_message: str | None = None
    service: str | None = Field(None, description="Who did it.")
    trace_id: str | None = None


class Operations(RootModel[Operation | list[Operation]]):
    """A record on `operations`."""
