"""Decide which Kafka and which PostgreSQL to use, start what is missing, end what was started."""

import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from stack import compose, mock, processes, state
from stack.errors import NoKafka, NoPostgres, StackError
from stack.kafka import LocalKafka
from stack.net import kafka_addresses, postgres_address, refusal
from stack.postgres import LocalPostgres, home
from stack.processes import Process
from stack.say import say
from stack.state import FOLDER, KAFKA_VARIABLE, POSTGRES_VARIABLE, Service, State

# Kafka keeps its last segments for a moment; the end of a server is never cut shorter.
_END_GRACE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The servers to use; PostgreSQL may be missing beside a mock cluster only."""

    kafka: Service
    postgres: Service | None

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that tell a program where its servers are."""
        addresses = {KAFKA_VARIABLE: self.kafka.address}
        if self.postgres is not None:
            addresses[POSTGRES_VARIABLE] = self.postgres.address
        return addresses


def up(*, keep: bool, holder: Process | None = None, allow_mock: bool = False) -> Stack:
    """Use what the environment names or what runs already, and start what is missing.

    `keep` leaves the stack until `down`, on data that stays; otherwise it ends with its last
    holder, on data that goes with it.
    """
    with state.locked():
        current = _without_the_dead(state.load())
        if current.kafka is not None and current.kafka.by == "mock" and not allow_mock:
            raise StackError("a mock cluster runs here and proves nothing: make down ends it")
        fresh = current.kafka is None and current.postgres is None
        if fresh:
            current = State(scratch=not keep)
            _discard(scratch=True)
        try:
            kafka = _named(KAFKA_VARIABLE, current.kafka) or current.kafka
            if kafka is None:
                kafka = current.kafka = _start_kafka(scratch=current.scratch, allow_mock=allow_mock)
                state.save(current)
            postgres = _named(POSTGRES_VARIABLE, current.postgres) or current.postgres
            if postgres is None:
                mocked = kafka.by == "mock"
                postgres = _start_postgres(scratch=current.scratch, optional=mocked)
                current.postgres = postgres
        except BaseException:
            if fresh:
                _end(current)
            raise
        current.kept = current.kept or keep
        current.scratch = current.scratch and not keep
        current.holders = [*current.living_holders(), *([holder] if holder else [])]
        stack = Stack(kafka=kafka, postgres=postgres)
        state.save(current)
        state.save_env(stack.environment)
        return stack


def down(*, data: bool = False) -> bool:
    """End what was started, whoever uses it, and with `data` remove what it kept.

    False when nothing ran.
    """
    with state.locked():
        ended = _end(state.load())
        if data:
            if compose.missing() is None:
                compose.down(scratch=False, volumes=True)
            _discard(scratch=False)
        return ended


def release(holder: Process) -> None:
    """Drop one holder; end the stack when nobody holds or keeps it."""
    with state.locked():
        current = state.load()
        current.holders = [other for other in current.living_holders() if other != holder]
        if current.kept or current.holders:
            state.save(current)
        else:
            _end(current)


def recorded() -> State:
    """Return what we started and what of it still runs."""
    return _without_the_dead(state.load())


def _end(current: State) -> bool:
    services = [service for service in (current.postgres, current.kafka) if service is not None]
    if any(service.by == "compose" for service in services):
        compose.down(scratch=current.scratch, volumes=current.scratch)
    for service in services:
        if service.process is not None:
            # PostgreSQL's SIGTERM waits for its clients to leave; its SIGINT does not.
            how = signal.SIGINT if service is current.postgres else signal.SIGTERM
            processes.end(service.process, grace_s=_END_GRACE_S, how=how)
        say(f"{_public(service.address)} is down")
    state.forget()
    if current.scratch:
        _discard(scratch=True)
    return bool(services)


def _named(variable: str, ours: Service | None) -> Service | None:
    """Return the server the environment names, unless it is the one we run anyway."""
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
        raise StackError(
            f"{variable} names {host}:{port}, which does not answer ({refusals[0]}): "
            "start it, or unset the variable to have one started"
        )
    return Service(by="environment", address=address)


def _start_kafka(*, scratch: bool, allow_mock: bool) -> Service:
    begun = time.monotonic()
    no_docker = compose.missing()
    if no_docker is None:
        address = compose.up("kafka", scratch=scratch)
        return _told("Kafka", begun, Service(by="compose", address=address))
    kafka = LocalKafka(_data(scratch=scratch) / "kafka")
    say("starting Kafka from its jars …")
    try:
        kafka.start()
    except NoKafka as error:
        if allow_mock:
            return _mock(f"{no_docker}; {error}")
        raise NoKafka(
            f"there is no Kafka to be had here: {no_docker}; {error}. Start Docker, or install "
            f"JDK 17+ and Maven, or set {KAFKA_VARIABLE}"
        ) from None
    log = str(kafka.log)
    service = Service(by="local", address=kafka.bootstrap, process=kafka.process, log=log)
    return _told("Kafka", begun, service)


def _mock(why: str) -> Service:
    log = _data(scratch=True) / "mock.log"
    bootstrap, process = mock.start(log)
    say("!" * 78)
    say(f"NO REAL KAFKA: {why}.")
    say("This is librdkafka's mock cluster instead. It lives in memory and KEEPS NOTHING:")
    say("good for a look, no proof of anything. For the real thing start Docker, or install")
    say(f"JDK 17+ and Maven, or set {KAFKA_VARIABLE}.")
    say("!" * 78)
    return Service(by="mock", address=bootstrap, process=process, log=str(log))


def _start_postgres(*, scratch: bool, optional: bool) -> Service | None:
    begun = time.monotonic()
    no_docker = compose.missing()
    if no_docker is None:
        address = compose.up("postgres", scratch=scratch)
        return _told("PostgreSQL", begun, Service(by="compose", address=address))
    postgres = LocalPostgres(_data(scratch=scratch) / "postgres")
    try:
        postgres.start()
    except NoPostgres as error:
        if optional:
            say(f"no PostgreSQL either: {no_docker}; {error}")
            return None
        raise NoPostgres(
            f"there is no PostgreSQL to be had here: {no_docker}; {error}. Start Docker, or run "
            f"make .venv, or set {POSTGRES_VARIABLE}"
        ) from None
    log = str(postgres.log)
    service = Service(by="local", address=postgres.url, process=postgres.process, log=log)
    return _told("PostgreSQL", begun, service)


def _told(name: str, begun: float, service: Service) -> Service:
    say(f"{name} is up at {_public(service.address)} in {time.monotonic() - begun:.1f} s")
    return service


def _without_the_dead(current: State) -> State:
    """Forget servers that ended by themselves, so that they are started again."""
    for name in ("kafka", "postgres"):
        service = getattr(current, name)
        if service is not None and not _runs(service):
            setattr(current, name, None)
    return current


def _runs(service: Service) -> bool:
    if service.process is not None:
        return processes.alive(service.process)
    find = postgres_address if "://" in service.address else lambda it: kafka_addresses(it)[0]
    return refusal(*find(service.address)) is None


def _public(address: str) -> str:
    """Return the address without a password."""
    scheme, separator, rest = address.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _discard(*, scratch: bool) -> None:
    shutil.rmtree(home(_data(scratch=scratch) / "postgres"), ignore_errors=True)
    shutil.rmtree(_data(scratch=scratch), ignore_errors=True)


def _data(*, scratch: bool) -> Path:
    return FOLDER / ("scratch" if scratch else "data")
