"""The client's settings: from the host's code, else from the environment, else the defaults."""

import os
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

from opwatch_client import wire

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
DEFAULT_LIMIT = 10_000

#: The environment's variables, without OPWATCH_: the same that opwatch's workers read.
_VARIABLES = {
    "bootstrap": "KAFKA_BOOTSTRAP",
    "service": "SERVICE",
    "ca_file": "KAFKA_CA_FILE",
    "cert_file": "KAFKA_CERT_FILE",
    "key_file": "KAFKA_KEY_FILE",
    "sasl_mechanism": "KAFKA_SASL_MECHANISM",
    "username": "KAFKA_USERNAME",
    "password": "KAFKA_PASSWORD",
}
#: The settings that name a topic, and the topics' names without their prefix.
_TOPICS = {
    "topic": "operations",
    "heartbeats": "heartbeats",
    "analyses": "analyses",
    "labels": "labels",
    "quality_scores": "quality-scores",
    "remediations": "remediations",
}
_FALSE = {"", "0", "f", "false", "n", "no", "off"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a host may choose. `limit` is the number of operations that may wait."""

    bootstrap: str = "127.0.0.1:9092"
    topic: str = "opwatch.operations"
    heartbeats: str = "opwatch.heartbeats"
    analyses: str = "opwatch.analyses"
    labels: str = "opwatch.labels"
    quality_scores: str = "opwatch.quality-scores"
    remediations: str = "opwatch.remediations"
    service: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sasl_mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    limit: int = DEFAULT_LIMIT

    @classmethod
    def read(cls, **chosen: Any) -> Self:
        """Return the settings, without validating them."""
        prefix = _variable("TOPIC_PREFIX", "opwatch.")
        values: dict[str, Any] = {name: prefix + topic for name, topic in _TOPICS.items()} | {
            # Any value that does not clearly mean "no" turns TLS on: a typing mistake must not
            # send a password in the clear.
            "tls": _variable("KAFKA_TLS", "").strip().lower() not in _FALSE,
        }
        for name, variable in _VARIABLES.items():
            if value := _variable(variable, ""):
                values[name] = value
        values |= {name: value for name, value in chosen.items() if value is not None}
        return cls(**values)

    @property
    def service_name(self) -> str:
        """Return the service as analyses and requests name it."""
        return wire.name(self.service, wire.UNNAMED)

    def check(self) -> None:
        """Raise if the settings can never work.

        Raises:
            ValueError: says why in one sentence, without any secret.
        """
        for broker in self.bootstrap.split(","):
            host, _, port = broker.strip().rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"bootstrap: {broker.strip()!r} is not host:port")
        if not all(getattr(self, name) for name in _TOPICS):
            raise ValueError("topic: it has no name")
        if self.sasl_mechanism and self.sasl_mechanism not in MECHANISMS:
            allowed = ", ".join(MECHANISMS)
            raise ValueError(f"sasl_mechanism: {self.sasl_mechanism!r} is none of {allowed}")
        if self.sasl_mechanism and not (self.username and self.password):
            raise ValueError("sasl_mechanism needs username and password")
        if self.limit < 1:
            raise ValueError("limit: at least one operation must be able to wait")

    def kafka(self) -> dict[str, Any]:
        """Return the arguments for an aiokafka client.

        Raises:
            ValueError: the settings can never work.
            OSError: a certificate cannot be read.
        """
        self.check()
        secured = "SSL" if self.tls else "PLAINTEXT"
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap.replace(" ", "")}
        if self.sasl_mechanism:
            secured = "SASL_" + secured
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        if self.tls:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
            options["ssl_context"] = context
        return options | {"security_protocol": secured}


def _variable(name: str, default: str) -> str:
    return os.environ.get(f"OPWATCH_{name}", default)
