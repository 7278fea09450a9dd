"""Give tests a real Kafka and a real PostgreSQL; none is ever skipped for the lack of one."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from stack import bringup, processes
from stack.bringup import Stack
from stack.errors import StackError
from stack.processes import Process
from tests.databases import database

# Set by a shell, or by readline in the process that starts pytest-xdist's workers: tables would be
# as wide as somebody's terminal.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# The same examples on every machine, and as many on a busy one.
settings.register_profile(
    "opwatch",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("opwatch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that may take longest, so that none of them is left alone at the end."""
    items.sort(key=_seconds_allowed, reverse=True)


def _seconds_allowed(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0] if mark else item.config.getini("timeout"))


@pytest.fixture(scope="session")
def _stack() -> Iterator[Stack]:
    """Use the servers the environment names, else bring them up and take them down again."""
    holder = processes.identify(os.getpid())
    assert isinstance(holder, Process)
    try:
        stack = bringup.up(keep=False, holder=holder)
    except StackError as error:
        pytest.fail(f"these tests need a real Kafka and PostgreSQL: {error}", pytrace=False)
    yield stack
    bringup.release(holder)


@pytest.fixture(scope="session")
def kafka(_stack: Stack) -> str:
    """Return the bootstrap address of a real broker, shared by the whole run."""
    return _stack.kafka.address


@pytest.fixture(scope="session")
def postgres(_stack: Stack) -> str:
    """Return the `postgresql://` address of a real server, shared by the whole run."""
    assert _stack.postgres is not None
    return _stack.postgres.address


@pytest.fixture
def empty_database(postgres: str) -> Iterator[str]:
    """Return the address of a database without tables, of this test alone."""
    with database(postgres, migrated=False) as url:
        yield url


@pytest.fixture
def history(postgres: str) -> Iterator[str]:
    """Return the address of a database with the tables of history, of this test alone."""
    with database(postgres) as url:
        yield url
