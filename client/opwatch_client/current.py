"""Keep the single publisher of this process, through configuration, forks and exit."""

import atexit
import os
from typing import Any

from opwatch_client import remediation_calls
from opwatch_client.publisher import Publisher
from opwatch_client.settings import Settings
from opwatch_client.threads import lock

#: How long the exit may wait for what is still in the buffer.
EXIT_S = 5.0

_publisher: Publisher | None = None
#: The process whose publisher it is.
_process = os.getpid()
_locks = {_process: lock()}


def publisher() -> Publisher:
    """Return the publisher. The first call makes it from the environment, without connecting."""
    _begin_anew_in_a_child()
    return _publisher or _first()


def configure(
    *,
    bootstrap: str | None = None,
    topic: str | None = None,
    heartbeats: str | None = None,
    analyses: str | None = None,
    labels: str | None = None,
    quality_scores: str | None = None,
    remediations: str | None = None,
    service: str | None = None,
    tls: bool | None = None,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
    sasl_mechanism: str | None = None,
    username: str | None = None,
    password: str | None = None,
    limit: int | None = None,
) -> None:
    """Choose where to publish. What is left out comes from `OPWATCH_…`, else from the defaults.

    Call it once, before the first operation: a later call flushes first, for up to 5 s.

    Args:
        bootstrap: bootstrap brokers: host:port, host:port.
        topic: where operations go; it must exist.
        heartbeats: where heartbeats go; it must exist, as the following must if you use them.
        analyses: where analyses go.
        labels: where labels go.
        quality_scores: where scores come from.
        remediations: where requests to remedy come from.
        service: the service that performs the operations.
        tls: connect to Kafka with TLS.
        ca_file: CA certificates (PEM), if not the system's.
        cert_file: client certificate (PEM) for mutual TLS, and `key_file` its key.
        key_file: see `cert_file`.
        sasl_mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
        username: the SASL user.
        password: the SASL user's password.
        limit: operations that may wait for Kafka; beyond it the oldest are dropped.

    Raises:
        ValueError: a value can never work.
    """
    global _publisher
    settings = Settings.read(
        bootstrap=bootstrap,
        topic=topic,
        heartbeats=heartbeats,
        analyses=analyses,
        labels=labels,
        quality_scores=quality_scores,
        remediations=remediations,
        service=service,
        tls=tls,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        sasl_mechanism=sasl_mechanism,
        username=username,
        password=password,
        limit=limit,
    )
    settings.check()
    _begin_anew_in_a_child()
    with _lock():
        before, _publisher = _publisher, Publisher(settings)
        _start_remedying(_publisher)
    if before is not None:
        before.close(EXIT_S)


def remedy() -> None:
    """Handle requests to remedy, if it is known by now where Kafka is."""
    _begin_anew_in_a_child()
    with _lock():
        if _publisher is not None:
            _start_remedying(_publisher)


def _start_remedying(publisher: Publisher) -> None:
    if remediation_calls.registered():
        publisher.remedy()


def _first() -> Publisher:
    global _publisher
    with _lock():
        if _publisher is None:
            # Not validated here: this runs inside a host's operation. The connection fails on a
            # wrong value, and logs it once a minute.
            _publisher = Publisher(Settings.read())
            _start_remedying(_publisher)
        return _publisher


def _at_exit() -> None:
    _begin_anew_in_a_child()
    if _publisher is not None:
        _publisher.end(EXIT_S)


def _begin_anew_in_a_child() -> None:
    """Start with an empty buffer: the parent sends what it buffered, and its thread is not here.

    Python calls this in a child that it forked. uWSGI forks in C, and Python does not notice.
    """
    global _publisher, _inherited, _process
    if _process == os.getpid():
        return
    with _lock():
        if _publisher is not None and _process != os.getpid():
            # Referenced, but never used: its sockets are the parent's.
            _inherited, _publisher = _publisher, Publisher(_publisher.settings)
        _process = os.getpid()


def _lock() -> Any:
    """Return the lock of this process: a thread of the parent may hold the parent's for ever."""
    return _locks.setdefault(os.getpid(), lock())


_inherited: Publisher | None = None
os.register_at_fork(after_in_child=_begin_anew_in_a_child)
atexit.register(_at_exit)
