"""The settings of opwatch, from the environment (`OPWATCH_…`): validated, with masked secrets."""

import ssl
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from agents.runtime import channel_variables, setting_checks
from agents.runtime.dashboard_settings import DashboardSettings
from agents.runtime.database_settings import DatabaseSettings
from agents.runtime.masking import masked_value
from schemas.topics import DEFAULT_PARTITIONS, Topic
from streams.channels.text_format import fit
from streams.measure.window_times import TimeLimits

#: A signature is only as strong as its secret.
_MIN_SECRET = 16

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(DatabaseSettings, DashboardSettings):
    """The settings: from the environment, else from `.env`, else the defaults here.

    Raises:
        pydantic.ValidationError: a value is invalid; the message names the variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPWATCH_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", description="Bootstrap brokers: host:port, host:port."
    )
    kafka_tls: bool = Field(False, description="Connect to Kafka with TLS.")
    kafka_ca_file: str | None = Field(
        None, description="CA certificates (PEM); by default the system's."
    )
    kafka_cert_file: str | None = Field(
        None, description="Client certificate (PEM) for mutual TLS."
    )
    kafka_key_file: str | None = Field(None, description="The client certificate's key (PEM).")
    kafka_sasl_mechanism: Mechanism | None = Field(
        None, description="SASL mechanism; without one no SASL is used."
    )
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = Field(
        "opwatch.", description="Prefix of the name of every topic and consumer group."
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        DEFAULT_PARTITIONS, description="Partitions of new topics of the measuring plane."
    )
    replication: Annotated[int, Field(ge=1, le=10)] = Field(
        1, description="Replicas of each topic that opwatch creates."
    )
    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=200)] | None = Field(
        None,
        description="A unique name of this worker that stays the same after a restart, so that"
        " Kafka gives its partitions back at once. The default is unique, and stays the same while"
        " the machine or container runs.",
    )
    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = Field(
        10.0, description="After this time without a heartbeat another worker gets its partitions."
    )
    lateness_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        3600.0,
        description="How many seconds older than its record's timestamp an event may be.",
    )
    future_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        60.0, description="How many seconds an event may be ahead of its record's timestamp."
    )
    grace_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0,
        description="How many seconds after its end, by its slowest source, a window is final.",
    )
    series_limit: Annotated[int, Field(ge=10)] = Field(
        10_000, description="Maximum of series; further platforms and operations count in overflow."
    )
    digest_engine: Literal["fastdigest", "tdigest"] = Field(
        "fastdigest", description="tdigest is the pure-Python reference, 100 times slower."
    )
    rule_file: str = Field(
        "config/opwatch.yaml",
        description="Rules and channels; `opwatch rules check FILE` finds mistakes.",
    )
    quality_file: str | None = Field(
        None,
        description="Weights, targets and required fields of quality; without it the built-in ones"
        " of docs/quality.md.",
    )
    quality_processes: Annotated[int, Field(ge=1, le=64)] = Field(
        2, description="Processes of each assessor that may take long."
    )
    quality_inputs: Annotated[int, Field(ge=1_000)] = Field(
        100_000,
        description="How many inputs are remembered, for consistency and remediation, and as many"
        " analyses each with and without labels; more are forgotten, least recently used first.",
    )
    allow_addresses: str = Field(
        "",
        description="Private networks in which receivers are allowed, also without TLS:"
        " 10.1.2.0/24, 127.0.0.1.",
    )
    channel_variables: str = Field(
        channel_variables.DEFAULT,
        description="Environment variables that channels of the rule file may read: names, or"
        " prefixes with a star. Never opwatch's own settings.",
    )
    vendor_hosts: str = Field(
        "",
        description="Further hosts to which the secrets of a vendor may be sent:"
        " proxy.example.com. Addresses in OPWATCH_ALLOW_ADDRESSES are allowed too.",
    )
    receivers_ca_file: str | None = Field(
        None, description="CA certificates (PEM) for receivers, in addition to the public ones."
    )
    receivers_proxy: SecretStr | None = Field(
        None,
        description="HTTP proxy to receivers with https: `http://user:password@proxy:3128`. Its own"
        " address is checked as a receiver's (OPWATCH_ALLOW_ADDRESSES). Mail goes past it;"
        " HTTP_PROXY and HTTPS_PROXY are not used.",
    )
    link_secret: SecretStr | None = Field(
        None,
        description="Signs the acknowledgement links in messages; without it there are no links."
        " At least 16 characters.",
    )
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] | None = Field(
        None,
        description="The public address of a proxy that passes only /acknowledge/ to the alert"
        " worker: https://opwatch.example.com.",
    )
    http_host: str = Field("127.0.0.1", description="Address of /metrics, /healthz and /readyz.")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9464, description="Port of the same; 0 takes a free port, which the log names."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug includes the logs of the Kafka libraries."
    )

    _brokers = field_validator("kafka_bootstrap")(setting_checks.brokers)
    _hosts = field_validator("vendor_hosts")(setting_checks.hosts)
    _networks = field_validator("allow_addresses")(setting_checks.networks)
    _ca_files = field_validator("kafka_ca_file", "receivers_ca_file")(setting_checks.ca_file)
    _proxy = field_validator("receivers_proxy")(setting_checks.proxy)
    _readable = field_validator("kafka_cert_file", "kafka_key_file")(setting_checks.readable)

    @field_validator("channel_variables")
    @classmethod
    def _variables(cls, value: str) -> str:
        channel_variables.patterns(value)
        return value

    @model_validator(mode="after")
    def _key_pair(self) -> "Settings":
        setting_checks.key_pair(self.kafka_cert_file, self.kafka_key_file)
        return self

    @model_validator(mode="after")
    def _credentials(self) -> "Settings":
        if self.kafka_sasl_mechanism and not (self.kafka_username and self.kafka_password):
            message = (
                "OPWATCH_KAFKA_SASL_MECHANISM needs OPWATCH_KAFKA_USERNAME and"
                " OPWATCH_KAFKA_PASSWORD"
            )
            raise ValueError(message)
        return self

    @field_validator("link_secret")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < _MIN_SECRET:
            message = f"has fewer than {_MIN_SECRET} characters"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _links(self) -> "Settings":
        if (self.link_secret is None) != (self.public_url is None):
            message = "OPWATCH_LINK_SECRET and OPWATCH_PUBLIC_URL need one another"
            raise ValueError(message)
        return self

    @property
    def time_limits(self) -> TimeLimits:
        """Lateness, future and grace."""
        seconds = self.lateness_s, self.future_s, self.grace_s
        return TimeLimits(*(int(span_s * 1000) for span_s in seconds))

    def topic(self, topic: Topic) -> str:
        """Return the topic's full name."""
        return self.topic_prefix + topic.name

    def kafka(self) -> dict[str, Any]:
        """Return the arguments of every aiokafka client: brokers and credentials."""
        secured = "SSL" if self.kafka_tls else "PLAINTEXT"
        options: dict[str, Any] = {"bootstrap_servers": self.kafka_bootstrap}
        if self.kafka_sasl_mechanism and self.kafka_password:
            secured = "SASL_" + secured
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password.get_secret_value(),
            }
        if self.kafka_tls:
            options["ssl_context"] = self.tls_context()
        return options | {"security_protocol": secured}

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context for Kafka: verified, with the client's certificate if any."""
        context = ssl.create_default_context(cafile=self.kafka_ca_file)
        if self.kafka_cert_file:
            context.load_cert_chain(self.kafka_cert_file, self.kafka_key_file)
        return context


def variable(field: str) -> str:
    """Return the name of the variable that holds a setting."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{_PREFIX}{field.upper()}"


def own_variables() -> frozenset[str]:
    """Return the names of the variables that hold settings."""
    return frozenset(variable(field) for field in Settings.model_fields)


def mistakes(error: ValidationError) -> list[str]:
    """Return every mistake in the settings as a sentence that names the variable."""
    sentences = []
    fields = {variable(field): field for field in Settings.model_fields}
    for mistake in error.errors(include_url=False):
        message = fit(masked_value(mistake["msg"].removeprefix("Value error, ")), _MAX_SHOWN)
        if not mistake["loc"]:
            sentences.append(f"{message}.")
            continue
        field = str(mistake["loc"][0])
        field = fields.get(field, field)
        secret = Settings.model_fields[field].annotation in _SECRETS
        value = (
            ""
            if secret or mistake["type"] == "missing"
            else f" is {fit(masked_value(repr(mistake['input'])), _MAX_SHOWN)}"
        )
        sentences.append(f"{variable(field)}{value}: {message}.")
    return sentences


_PREFIX = "OPWATCH_"
_MAX_SHOWN = 300
_SECRETS = (SecretStr, SecretStr | None)
