"""Choose how the lines of a file are read: its format, and what the fields are made of."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

from agents.replay.access_logs import DURATIONS, FIELDS, AccessLog
from agents.replay.expression_values import ExpressionError
from agents.replay.field_map import FieldMap

Format = Literal["jsonl", "csv", "access"]
_FORMATS = get_args(Format)


class WrongFormat(ValueError):
    """There is no such format, or it lacks something."""


class WrongMapping(ValueError):
    """A mapping is none."""


class Recording(NamedTuple):
    """What the lines of a file are.

    jsonl: a line is an operation or an array of them; csv: headings, then a row each; access: a
    line is a request, as web servers log it.
    """

    kind: Format
    fields: FieldMap
    """What the columns (or JSON keys) are; one that it does not name is its own field."""
    access_log: AccessLog
    """Reads the lines of an access log."""


def recording(kind: str, mappings: Sequence[str]) -> Recording:
    """Return what `--format` and `--map` say.

    Raises:
        WrongFormat: there is no such format, or it has no durations.
        WrongMapping: a mapping is none.
    """
    kind, colon, following = kind.partition(":")
    names = [name.strip() for name in following.split(",")] if colon else []
    if kind not in _FORMATS or (colon and kind != "access"):
        raise WrongFormat(f"{kind + colon + following!r} is none of {', '.join(_FORMATS)}")
    defaults = dict(FIELDS) if kind == "access" else {}
    for name in names:
        if name in DURATIONS:
            defaults.setdefault("duration_ms", DURATIONS[name])
    try:
        fields = FieldMap(mappings, defaults)
    except ExpressionError as error:
        raise WrongMapping(str(error)) from None
    if kind == "access" and "duration_ms" not in fields.fields:
        raise WrongFormat(
            "an access log has durations only by the name of what follows the user agent, as in"
            " --format access:request_time; where it has none: --map duration_ms=0"
        )
    return Recording(cast("Format", kind), fields, AccessLog(names))


def guessed(path: Path | None) -> Format:
    """Return the format that a file's name or its first line has; that of a pipe is jsonl."""
    if path is None:
        return "jsonl"
    name = path.name.lower()
    if ".csv" in name or ".tsv" in name:
        return "csv"
    if ".log" in name:
        with suppress(OSError), path.open("rb") as file:
            return "jsonl" if file.readline(10_000).lstrip()[:1] in (b"{", b"[") else "access"
    return "jsonl"
