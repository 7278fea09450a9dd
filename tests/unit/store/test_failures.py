"""What follows of an error of the database: by its SQLSTATE."""

import asyncpg
import pytest

from agents.database.connection import NoDatabase
from agents.store.failures import Failure, failure_of, sentence_of


def refused(state: str, **fields: object) -> asyncpg.PostgresError:
    made = {"S": "ERROR", "C": state, "M": "m"} | fields
    error: asyncpg.PostgresError = asyncpg.PostgresError.new(made)
    return error


@pytest.mark.parametrize(
    ("state", "follows"),
    [
        ("08006", Failure.WAIT),  # connection failure
        ("40001", Failure.WAIT),  # serialization failure
        ("40P01", Failure.WAIT),  # deadlock
        ("53100", Failure.WAIT),  # disk full
        ("53300", Failure.WAIT),  # too many connections
        ("55P03", Failure.WAIT),  # lock not available
        ("57P01", Failure.WAIT),  # admin shutdown
        ("57P03", Failure.WAIT),  # it starts up
        ("57014", Failure.TOO_SLOW),  # statement timeout
        ("25006", Failure.WAIT),  # read-only after a failover
        ("58030", Failure.WAIT),  # I/O error
        ("28P01", Failure.WAIT),  # wrong password: somebody mends it
        ("42501", Failure.WAIT),  # a right is lacking
        ("42P01", Failure.WAIT),  # no such table
        ("0A000", Failure.WAIT),  # a cached plan that a migration made void
        ("26000", Failure.WAIT),  # pgbouncer gave the statement to another session
        ("XX001", Failure.WAIT),  # data corrupted
        ("21000", Failure.ENTRY),  # cannot affect row a second time
        ("22003", Failure.ENTRY),  # numeric value out of range
        ("22021", Failure.ENTRY),  # NUL in text
        ("22P05", Failure.ENTRY),  # NUL in JSON
        ("23502", Failure.ENTRY),  # not null
        ("54000", Failure.ENTRY),  # an index row is too large
        ("23514", Failure.NO_PARTITION),  # no partition for the row
    ],
)
def test_what_follows_is_said_by_the_sqlstate(state: str, follows: Failure):
    assert failure_of(refused(state)) is follows


def test_a_constraint_that_somebody_added_is_the_entrys_fault():
    assert failure_of(refused("23514", n="no_such_platform")) is Failure.ENTRY


@pytest.mark.parametrize(
    ("error", "follows"),
    [
        (OSError("connection refused"), Failure.WAIT),
        (ConnectionResetError(), Failure.WAIT),
        (TimeoutError(), Failure.TOO_SLOW),
        (NoDatabase("no tables"), Failure.WAIT),
        (asyncpg.InterfaceError("connection is closed"), Failure.WAIT),
        (asyncpg.DataError("invalid input for query argument"), Failure.ENTRY),
        (OverflowError("value out of int64 range"), Failure.WAIT),
    ],
)
def test_errors_without_sqlstate_are_of_the_connection_or_of_the_values(
    error: Exception, follows: Failure
):
    assert failure_of(error) is follows


def test_the_sentence_names_the_sqlstate():
    assert sentence_of(refused("53100", M="could not extend file")) == (
        "could not extend file (SQLSTATE 53100)"
    )
