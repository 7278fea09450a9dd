"""Bring the stack up and down: start what is missing, share it, end exactly what was started."""

import shutil
import signal
from dataclasses import dataclass

from stack import compose, processes, state
from stack.errors import StackError
from stack.net import kafka_addresses, postgres_address, refusal
from stack.postgres import home
from stack.processes import Process
from stack.progress import say
from stack.servers import data_folder, named, public, start_kafka, start_postgres
from stack.state import KAFKA_VARIABLE, POSTGRES_VARIABLE, Service, State

# Kafka needs a moment to close its segments; no server is killed before this.
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
    """Use what the environment names or what already runs, and start what is missing.

    With `keep` the stack runs until `down` and its data stays; otherwise the stack ends with its
    last holder, and its data is removed.
    """
    with state.locked():
        current = _without_the_dead(state.load())
        if current.kafka is not None and current.kafka.by == "mock" and not allow_mock:
            raise StackError("a mock cluster runs here, not a real Kafka: `make down` ends it")
        fresh = current.kafka is None and current.postgres is None
        if fresh:
            current = State(scratch=not keep)
            _discard(scratch=True)
        try:
            kafka = named(KAFKA_VARIABLE, current.kafka) or current.kafka
            if kafka is None:
                kafka = current.kafka = start_kafka(scratch=current.scratch, allow_mock=allow_mock)
                state.save(current)
            postgres = named(POSTGRES_VARIABLE, current.postgres) or current.postgres
            if postgres is None:
                mocked = kafka.by == "mock"
                postgres = start_postgres(scratch=current.scratch, optional=mocked)
                current.postgres = postgres
        except BaseException:
            if fresh:
                _end(current)
            raise
        current.keep = current.keep or keep
        if keep and current.scratch:
            say("a run started it, so its data is removed when it goes down")
        current.holders = [*current.living_holders(), *([holder] if holder else [])]
        stack = Stack(kafka=kafka, postgres=postgres)
        state.save(current)
        state.save_env(stack.environment)
        state.note_ours(current)
        return stack


def down(*, data: bool = False) -> bool:
    """End what was started, even if it is in use, and with `data` remove its data.

    Returns False if nothing ran.
    """
    with state.locked():
        ended = _end(state.load())
        if data:
            if compose.missing() is None:
                compose.down(scratch=False, volumes=True)
            _discard(scratch=False)
        return ended


def release(holder: Process) -> None:
    """Drop a holder; end the stack if it was the last and nobody asked to keep it."""
    with state.locked():
        current = state.load()
        current.holders = [other for other in current.living_holders() if other != holder]
        if current.keep or current.holders:
            state.save(current)
        else:
            _end(current)


def recorded() -> State:
    """Return what we started and still runs."""
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
        say(f"{public(service.address)} is down")
    state.forget()
    if current.scratch:
        _discard(scratch=True)
    return bool(services)


def _without_the_dead(current: State) -> State:
    """Forget servers that have ended, so that they are started again."""
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


def _discard(*, scratch: bool) -> None:
    shutil.rmtree(home(data_folder(scratch=scratch) / "postgres"), ignore_errors=True)
    shutil.rmtree(data_folder(scratch=scratch), ignore_errors=True)
