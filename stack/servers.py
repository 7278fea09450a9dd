"""Find or start a Kafka and a PostgreSQL: the first way that works on this machine."""

import os
import time
from pathlib import Path

from stack import compose, mock, state
from stack.errors import NoKafka, NoPostgres, StackError
from stack.kafka import LocalKafka
from stack.net import kafka_addresses, postgres_address, refusal
from stack.postgres import LocalPostgres
from stack.progress import say
from stack.state import FOLDER, KAFKA_VARIABLE, POSTGRES_VARIABLE, Service


def named(variable: str, ours: Service | None) -> Service | None:
    """Return the server that the environment names, unless it is the one we run, or ran."""
    address = os.environ.get(variable)
    if not address or (ours is not None and ours.address == address):
        return None
    if variable == KAFKA_VARIABLE:
        targets = kafka_addresses(address)
    else:
        targets = [postgres_address(address)]
    refusals = [refusal(host, port) for host, port in targets]
    if None not in refusals:
        host, port = targets[0]
        if address in state.were_ours():
            say(f"{variable} names a server of ours that has ended: another one is started")
            return None
        raise StackError(
            f"{variable} names {host}:{port}, which does not answer ({refusals[0]}): "
            "start it, or unset the variable to have one started"
        )
    return Service(by="environment", address=address)


def start_kafka(*, scratch: bool, allow_mock: bool) -> Service:
    """Start a broker in docker compose, else from its jars, else (if allowed) the mock."""
    begun = time.monotonic()
    no_docker = compose.missing()
    if no_docker is None:
        address = compose.up("kafka", scratch=scratch)
        return _announced("Kafka", begun, Service(by="compose", address=address))
    kafka = LocalKafka(data_folder(scratch=scratch) / "kafka")
    say("starting Kafka from its jars …")
    try:
        kafka.start()
    except NoKafka as error:
        if allow_mock:
            return _mock(f"{no_docker}; {error}")
        raise NoKafka(
            f"Kafka cannot be started here: {no_docker}; {error}. Start Docker, or install "
            f"JDK 17+ and Maven, or set {KAFKA_VARIABLE}"
        ) from None
    log = str(kafka.log)
    service = Service(by="local", address=kafka.bootstrap, process=kafka.process, log=log)
    return _announced("Kafka", begun, service)


def _mock(why: str) -> Service:
    log = data_folder(scratch=True) / "mock.log"
    bootstrap, process = mock.start(log)
    say("!" * 78)
    say(f"NO REAL KAFKA: {why}.")
    say("This is librdkafka's mock cluster instead. It lives in memory and KEEPS NOTHING:")
    say("enough for a first look, not for tests. For a real Kafka start Docker, or install")
    say(f"JDK 17+ and Maven, or set {KAFKA_VARIABLE}.")
    say("!" * 78)
    return Service(by="mock", address=bootstrap, process=process, log=str(log))


def start_postgres(*, scratch: bool, optional: bool) -> Service | None:
    """Start a server in docker compose, else from the wheel; None only where it is optional."""
    begun = time.monotonic()
    no_docker = compose.missing()
    if no_docker is None:
        address = compose.up("postgres", scratch=scratch)
        return _announced("PostgreSQL", begun, Service(by="compose", address=address))
    postgres = LocalPostgres(data_folder(scratch=scratch) / "postgres")
    try:
        postgres.start()
    except NoPostgres as error:
        if optional:
            say(f"no PostgreSQL either: {no_docker}; {error}")
            return None
        raise NoPostgres(
            f"PostgreSQL cannot be started here: {no_docker}; {error}. Start Docker, or run "
            f"make .venv, or set {POSTGRES_VARIABLE}"
        ) from None
    log = str(postgres.log)
    service = Service(by="local", address=postgres.url, process=postgres.process, log=log)
    return _announced("PostgreSQL", begun, service)


def _announced(name: str, begun: float, service: Service) -> Service:
    say(f"{name} is up at {public(service.address)} in {time.monotonic() - begun:.1f} s")
    return service


def public(address: str) -> str:
    """Return the address without a password."""
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def data_folder(*, scratch: bool) -> Path:
    """Return where local servers keep their data; scratch goes with the stack."""
    return FOLDER / ("scratch" if scratch else "data")
