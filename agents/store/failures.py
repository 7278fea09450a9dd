"""Decide what follows when the database refuses: wait, find the entry at fault, or reconnect.

The SQLSTATE decides (https://www.postgresql.org/docs/current/errcodes-appendix.html). Only what
lies in an entry itself, and would be refused by any server at any time, is the entry's fault. All
else passes, or somebody mends it: meanwhile history waits in Kafka.
"""

from enum import Enum, auto

import asyncpg

from agents.database.connection import NoDatabase


class Failure(Enum):
    """What follows when a write fails."""

    WAIT = auto()
    """The database is away, busy, full, locked, read-only, or not set up: connect and try again."""
    TOO_SLOW = auto()
    """It took too long: try again with fewer entries."""
    NO_PARTITION = auto()
    """The partition of a window was removed: make it again."""
    ENTRY = auto()
    """An entry is at fault: find it."""


#: Data that fit no column, constraints that were added, limits of a row or an index.
_OF_ENTRIES = ("21", "22", "23", "54")
_QUERY_CANCELED = "57014"
_CHECK_VIOLATION = "23514"


def failure_of(error: BaseException) -> Failure:
    """Return what follows of an error of a write."""
    if isinstance(error, TimeoutError):
        return Failure.TOO_SLOW
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state == _QUERY_CANCELED:
            return Failure.TOO_SLOW
        if state == _CHECK_VIOLATION and error.constraint_name is None:
            return Failure.NO_PARTITION
        return Failure.ENTRY if state.startswith(_OF_ENTRIES) else Failure.WAIT
    if isinstance(error, (OSError, NoDatabase, asyncpg.InternalClientError)):
        return Failure.WAIT
    if isinstance(error, asyncpg.DataError):  # before it was sent
        return Failure.ENTRY
    if isinstance(error, asyncpg.InterfaceError):  # the connection is closed, or busy
        return Failure.WAIT
    return Failure.ENTRY if isinstance(error, (ValueError, TypeError)) else Failure.WAIT


def sentence_of(error: BaseException) -> str:
    """Return an error of the database as a sentence, with the SQLSTATE if it has one."""
    if isinstance(error, NoDatabase):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    state = getattr(error, "sqlstate", None)
    text = str(error) or type(error).__name__
    return f"{text} (SQLSTATE {state})" if state else f"{type(error).__name__}: {text}"
