"""Read breaches and commands out of records, in time that their bytes bound."""

from typing import get_args

from schemas.breaches import Breach
from schemas.commands import Command, CommandRecord
from streams.judge import WHOLE_BYTES, Judge

#: A breach with its evidence takes a few kilobytes.
_BREACH_BYTES = 256 * 1024

_breach = Judge(Breach, Breach.model_fields, _BREACH_BYTES)
_COMMANDS = get_args(get_args(Command)[0])
_FIELDS = sorted({name for command in _COMMANDS for name in command.model_fields})
_command = Judge(CommandRecord, _FIELDS, WHOLE_BYTES)


def read_breach(value: bytes) -> Breach:
    """Return a record on `breaches`.

    Raises:
        streams.judge.NotFit: it is none.
    """
    return _breach.read(value)


def read_command(value: bytes) -> Command:
    """Return a record on `commands`.

    Raises:
        streams.judge.NotFit: it is none.
    """
    return _command.read(value).root
