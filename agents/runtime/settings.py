"""Read the settings from the environment (`OPWATCH_…`), check them, and mask the secrets."""

import re
import ssl
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agents.channels import variables as channel_variables
from agents.runtime.masking import masked_value
from schemas.topics import DEFAULT_PARTITIONS, Topic

#: A signature is worth no more than what it is made with.
_MIN_SECRET = 16

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(BaseSettings):
    """What an operator may choose. The environment, then `.env`, then the defaults here.

    Raises:
        pydantic.ValidationError: a value does not fit; the message names the variable.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPWATCH_", env_file=".env", extra="ignore", frozen=True
    )

    kafka_bootstrap: str = Field(
        "127.0.0.1:9092", description="Brokers to begin with: host:port, host:port."
    )
    kafka_tls: bool = Field(False, description="Talk TLS to Kafka.")
    kafka_ca_file: str | None = Field(
        None, description="CA certificates (PEM), if not the system's."
    )
    kafka_cert_file: str | None = Field(
        None, description="Client certificate (PEM) for mutual TLS."
    )
    kafka_key_file: str | None = Field(None, description="The client certificate's key (PEM).")
    kafka_sasl_mechanism: Mechanism | None = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; none for no SASL."
    )
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = Field(
        "opwatch.", description="Stands in front of every topic and consumer group."
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        DEFAULT_PARTITIONS, description="Partitions of the measuring plane; for new topics."
    )
    replication: Annotated[int, Field(ge=1, le=10)] = Field(
        1, description="Replicas of each topic that opwatch creates."
    )
    instance: str | None = Field(
        None,
        description="This worker's name: no other's, and the same after a restart, so that Kafka"
        " gives it its partitions back at once. By default one that no other process has, and the"
        " same while the machine or container runs.",
    )
    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = Field(
        10.0, description="After this long without a sign a worker's partitions go to another."
    )
    lateness_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        3600.0, description="An event may be this much older than its record's timestamp."
    )
    future_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        60.0, description="And this much younger."
    )
    grace_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0, description="A window is final when every source has passed its end by this much."
    )
    series_limit: Annotated[int, Field(ge=10)] = Field(
        10_000, description="Series kept; further platforms and operations count in overflow."
    )
    digest_engine: Literal["fastdigest", "tdigest"] = Field(
        "fastdigest", description="tdigest is the pure-Python reference, 100 times slower."
    )
    rule_file: str = Field(
        "config/opwatch.yaml",
        description="Rules and channels: `opwatch rules check FILE` says whether it is right.",
    )
    allow_addresses: str = Field(
        "",
        description="Networks that receivers may be in although they are private, and may be"
        " reached without TLS: 10.1.2.0/24, 127.0.0.1.",
    )
    channel_variables: str = Field(
        channel_variables.DEFAULT,
        description="Environment variables that channels of the rule file may read: names, or"
        " beginnings with a star. Never opwatch's own settings.",
    )
    vendor_hosts: str = Field(
        "",
        description="Hosts beside PagerDuty's and Twilio's own that their secrets may be sent to:"
        " proxy.example.com. Those that OPWATCH_ALLOW_ADDRESSES names may be, too.",
    )
    receivers_ca_file: str | None = Field(
        None, description="Authorities (PEM) to trust for receivers beside the public ones."
    )
    link_secret: SecretStr | None = Field(
        None,
        description="Signs the links in messages that acknowledge; without it there are none."
        " At least 16 characters.",
    )
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] | None = Field(
        None,
        description="Where people reach the alert worker's /acknowledge/ from outside, through a"
        " proxy that lets nothing else through: https://opwatch.example.com.",
    )
    http_host: str = Field("127.0.0.1", description="Where /metrics, /healthz and /readyz listen.")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        9464, description="0 takes a free port; the log says which."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto: console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug also shows what the Kafka libraries say."
    )

    @field_validator("kafka_bootstrap")
    @classmethod
    def _brokers(cls, value: str) -> str:
        for broker in value.split(","):
            host, _, port = broker.strip().rpartition(":")
            if not host or not port.isdigit():
                message = f"{broker.strip()!r} is not host:port"
                raise ValueError(message)
        return ",".join(broker.strip() for broker in value.split(","))

    @field_validator("channel_variables")
    @classmethod
    def _variables(cls, value: str) -> str:
        channel_variables.patterns(value)
        return value

    @field_validator("vendor_hosts")
    @classmethod
    def _hosts(cls, value: str) -> str:
        for host in value.replace(",", " ").split():
            if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) is None:
                message = f"{host!r} is no host such as proxy.example.com"
                raise ValueError(message)
        return value

    @field_validator("allow_addresses")
    @classmethod
    def _networks(cls, value: str) -> str:
        for network in value.replace(",", " ").split():
            try:
                ip_network(network)
            except ValueError:
                message = f"{network!r} is no network such as 10.1.2.0/24"
                raise ValueError(message) from None
        return value

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

    def topic(self, topic: Topic) -> str:
        """Return the topic's full name."""
        return self.topic_prefix + topic.name

    def kafka(self) -> dict[str, Any]:
        """Return what every aiokafka client is made with: where, and how to be let in."""
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


def own_variables() -> frozenset[str]:
    """Return the names of the variables that hold settings."""
    prefix = Settings.model_config.get("env_prefix", "")
    return frozenset(f"{prefix}{field.upper()}" for field in Settings.model_fields)


def mistakes(error: ValidationError) -> list[str]:
    """Return every mistake in the settings as a sentence that names the variable."""
    sentences = []
    prefix = Settings.model_config.get("env_prefix", "")
    for mistake in error.errors(include_url=False):
        message = masked_value(mistake["msg"].removeprefix("Value error, "))
        if not mistake["loc"]:
            sentences.append(f"{message}.")
            continue
        field = str(mistake["loc"][0])
        secret = Settings.model_fields[field].annotation in _SECRETS
        given = (
            ""
            if secret or mistake["type"] == "missing"
            else f" is {masked_value(repr(mistake['input']))}"
        )
        sentences.append(f"{prefix}{field.upper()}{given}: {message}.")
    return sentences


_SECRETS = (SecretStr, SecretStr | None)
