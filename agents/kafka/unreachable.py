"""Say why Kafka cannot be reached: which host and port, and which setting does not fit it.

aiokafka says that a connection broke. A listener that speaks something else is found by speaking
TLS to it.
"""

import asyncio
import contextlib
import logging
import ssl
from typing import Any, NamedTuple

from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from agents.runtime.masking import masked_urls, masked_value
from agents.runtime.network_errors import words
from agents.runtime.settings import Settings

_PROBE_S = 3.0
_TO_NODE = "Unable connect to node with id"
_ANOTHER = "Is it running? `make up` starts one; OPWATCH_KAFKA_BOOTSTRAP names another."
_TOO = "Every broker that it advertises must be reached from here: see advertised.listeners."
_SASL = "OPWATCH_KAFKA_SASL_MECHANISM"
_USER = "OPWATCH_KAFKA_USERNAME and OPWATCH_KAFKA_PASSWORD"


class Unreachable(Exception):
    """No broker answered before the deadline."""

    def __init__(self, bootstrap: str, why: str, advice: str = _ANOTHER) -> None:
        super().__init__(
            f"cannot reach Kafka at {masked_value(bootstrap)}: {masked_urls(why)}. {advice}"
        )
        self.why = why


class Reason(NamedTuple):
    """Why no broker can be used, and what to do."""

    why: str
    advice: str = _ANOTHER


class LastComplaint(logging.Handler):
    """Keeps aiokafka's last warning, which has more details than its exception."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""
        self.node: object = None
        """The advertised broker that it is about, by its id."""
        self.error: object = None

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        self.error = arguments[-1] if arguments else None
        self.node = arguments[0] if record.msg.startswith(_TO_NODE) else None
        self.why = record.getMessage()
        if isinstance(self.error, Exception):
            self.why = words(self.error)

    def __enter__(self) -> "LastComplaint":
        logging.getLogger("aiokafka").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("aiokafka").removeHandler(self)


async def reason(settings: Settings, complaint: LastComplaint, cluster: Any) -> Reason | None:
    """Return why no broker can be used; None if nobody knows.

    Args:
        settings: how it was tried.
        complaint: aiokafka's.
        cluster: what aiokafka knows of the brokers.
    """
    node = None if complaint.node is None else cluster.broker_metadata(complaint.node)
    if node is not None:
        where = f"the broker advertises {node.host}:{node.port}"
        return Reason(f"{where}, and there {complaint.why}", _TOO)
    if isinstance(complaint.error, IllegalSaslStateError):
        return Reason("this listener takes no SASL", f"Leave {_SASL} out, or name another port.")
    if isinstance(complaint.error, UnsupportedSaslMechanismError):
        why = f"the listener has no SASL mechanism {settings.kafka_sasl_mechanism}"
        return Reason(why, f"Set {_SASL} to one that it has.")
    if isinstance(complaint.error, SaslAuthenticationFailed):
        return Reason("it refuses the user or the password", f"{_USER} say who asks.")
    found = {}
    for broker in settings.kafka_bootstrap.split(","):
        host, _, port = broker.rpartition(":")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_S):
                found[broker] = await _by_probe(settings, host.strip("[]"), int(port), complaint)
    reasons = {broker: reason for broker, reason in found.items() if reason is not None}
    if len(reasons) > 1 and all(it.advice == _ANOTHER for it in reasons.values()):
        return Reason("; ".join(f"{broker}: {it.why}" for broker, it in reasons.items()))
    return next(iter(reasons.values()), None)


async def _by_probe(
    settings: Settings, host: str, port: int, complaint: LastComplaint
) -> Reason | None:
    where = f"{host}:{port}"
    try:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except OSError as error:
        return Reason(words(error))
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    speaks_tls = await _shakes_hands(host, port, anything) is None
    if speaks_tls and not settings.kafka_tls:
        return Reason(f"the listener at {where} speaks TLS", "Set OPWATCH_KAFKA_TLS=true.")
    if not settings.kafka_tls:
        return None if settings.kafka_sasl_mechanism else _wants_sasl(where, complaint)
    if not speaks_tls:
        way = "Leave OPWATCH_KAFKA_TLS out, or name a port with TLS."
        return Reason(f"the listener at {where} does not speak TLS", way)
    refusal = await _shakes_hands(host, port, settings.tls_context())
    if isinstance(refusal, ssl.SSLCertVerificationError):
        text = f"the certificate of {where} does not verify: {refusal.verify_message}"
        return Reason(text, "OPWATCH_KAFKA_CA_FILE names the authorities to trust.")
    return None if settings.kafka_sasl_mechanism else _wants_sasl(where, complaint)


def _wants_sasl(where: str, complaint: LastComplaint) -> Reason | None:
    """Return that the listener hangs up on whoever does not log in, if it seems so."""
    if not isinstance(complaint.error, KafkaConnectionError | OSError | EOFError):
        return None
    return Reason(
        f"the listener at {where} hangs up: it may want SASL, or a client's certificate",
        f"{_SASL} or OPWATCH_KAFKA_CERT_FILE says with what.",
    )


async def _shakes_hands(host: str, port: int, context: ssl.SSLContext) -> Exception | None:
    """Return why no TLS connection can be made; None if one can."""
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        writer.close()
    except (OSError, EOFError) as error:  # ssl.SSLError is an OSError
        return error
    return None
