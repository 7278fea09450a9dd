"""Define the settings of the history in PostgreSQL; agents/runtime/settings.py has the others."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

URL_VARIABLE = "METRICS_DATABASE_URL"
_SCHEMES = ("postgresql://", "postgres://")
#: What people copy from SQLAlchemy.
_DRIVER = "+asyncpg://"


class DatabaseSettings(BaseSettings):
    """Where the history is kept, and how to connect."""

    metrics_database_url: SecretStr | None = Field(
        None,
        validation_alias=URL_VARIABLE,
        description="The database that keeps history:"
        " `postgresql://user:password@host,standby/name?sslmode=verify-full`. Only"
        " `opwatch worker store`, `opwatch db` and `opwatch report` use it.",
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
