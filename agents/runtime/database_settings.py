"""Define the settings of the history in PostgreSQL; agents/runtime/settings.py has the others."""

import re
from itertools import pairwise
from typing import Annotated, get_args

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from schemas.series import WindowSize
from schemas.spans import as_text, to_ms

URL_VARIABLE = "METRICS_DATABASE_URL"
_SCHEMES = ("postgresql://", "postgres://")
#: What people copy from SQLAlchemy.
_DRIVER = "+asyncpg://"

WINDOW_SIZES: tuple[str, ...] = get_args(WindowSize)
#: What `opwatch db prune` may remove rows of, besides windows of a size.
PRUNED_TABLES = (
    *("performance_metrics", "quality_scores", "labels", "alerts", "notifications"),
    "dead_letters",
)
FOR_EVER = 0
_ENTRY = re.compile(r"(\w+)=(\w+)")


class DatabaseSettings(BaseSettings):
    """Where the history is kept, and how to connect."""

    metrics_database_url: SecretStr | None = Field(
        None,
        validation_alias=URL_VARIABLE,
        description="The database that keeps history:"
        " `postgresql://user:password@host,standby/name?sslmode=verify-full`. Only"
        " `opwatch worker store`, `opwatch db`, `opwatch report` and `opwatch dashboard` use it.",
    )
    db_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)] = Field(
        "opwatch", description="Schema of the tables of history."
    )
    db_password_file: str | None = Field(
        None, description="File with the database's password, read at each connect."
    )
    db_ca_file: str | None = Field(
        None,
        description="CA certificates (PEM) of the database: connect with TLS and verify its name.",
    )
    db_prepared_statements: bool = Field(
        True,
        description="false behind pgbouncer in transaction mode, unless it has"
        " `max_prepared_statements`.",
    )
    db_interval_s: Annotated[float, Field(ge=0.05, le=60)] = Field(
        5.0, description="What arrived in this many seconds is written together."
    )
    db_timeout_s: Annotated[float, Field(ge=1, le=600)] = Field(
        30.0, description="A statement of `store` that takes longer is given up and tried again."
    )
    db_retention: str = Field(
        "1m=35d 5m=100d 1h=400d performance_metrics=400d quality_scores=100d notifications=400d"
        " dead_letters=35d",
        description="How long `opwatch db prune` keeps windows of a size, and rows of a table; what"
        " is not named is kept for ever, as 0 says.",
    )

    @field_validator("db_retention")
    @classmethod
    def _spans(cls, value: str) -> str:
        retention_ms(value)
        return value

    @field_validator("metrics_database_url")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        url = value.get_secret_value().replace(_DRIVER, "://", 1)
        if not url.startswith(_SCHEMES):
            message = "is no address such as postgresql://user@host/name"
            raise ValueError(message)
        return SecretStr(url)


def retention_ms(text: str) -> dict[str, int]:
    """Return how long windows of a size, and rows of a table, are kept: `1m=35d alerts=0`.

    Raises:
        ValueError: it is not written so; the message says what to write.
    """
    found: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        match = _ENTRY.fullmatch(part)
        if match is None or match[1] not in (*WINDOW_SIZES, *PRUNED_TABLES):
            names = ", ".join((*WINDOW_SIZES, *PRUNED_TABLES))
            message = f"{part!r} is not such as 1m=35d; what can be named is {names}"
            raise ValueError(message)
        span_ms = to_ms(match[2])
        assert isinstance(span_ms, int)
        found[match[1]] = span_ms
    stored = [(size, found.get(size, FOR_EVER)) for size in WINDOW_SIZES]
    for (small, short_ms), (large, long_ms) in pairwise(stored):
        # Reports put a span together from the largest windows in it.
        if long_ms != FOR_EVER and (short_ms == FOR_EVER or short_ms > long_ms):
            least = "for ever" if short_ms == FOR_EVER else as_text(short_ms)
            message = f"windows of {large} are needed as long as those of {small}: {least}"
            raise ValueError(message)
    return found
