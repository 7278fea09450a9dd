"""Read lines of a web server's access log: the common and the combined format, and what follows."""

import re
from collections.abc import Sequence
from typing import Any

from agents.replay.cells import Cell

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
#: [vhost:port] host identity user [time] "request" status bytes, and in the combined format
#: "referer" "user agent".
_LINE = re.compile(
    rf"(?:(\S+:\d+) )?(\S+) (\S+) (.+?) \[([^\]]+)\] {_QUOTED} (\d{{3}}|-) (\d+|-)"
    rf"(?: {_QUOTED} {_QUOTED})?(?: (.*))?"
)
_COLUMNS = (
    "vhost", "host", "identity", "user", "time", "request", "status", "bytes", "referer",
    "user_agent",
)  # fmt: skip
_REQUEST = re.compile(r"([A-Z-]{1,20}) (\S+)(?: (HTTP/[0-9.]+))?")
_REST = re.compile(rf"{_QUOTED}|(\S+)")
_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_ESCAPED = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))")
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
#: What the fields are unless `--map` says otherwise. TLS sent to a plain port is no request.
FIELDS = {
    "occurred_at": "time",
    "operation": "'invalid request' if method == None else method + ' ' + template(path)",
    "success": "status < 500",
    "error_type": "'HTTP ' + status if status >= 500 else None",
}
#: The duration by the servers' own names: nginx's $request_time, Apache's %D and %T.
DURATIONS = {"request_time": "request_time * 1000", "D": "D / 1000", "T": "T * 1000"}


class NoAccessLine(ValueError):
    """The line is not of the common or the combined format."""


class AccessLog:
    """Reads lines of an access log; `names` are of the values that follow the usual ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def row(self, line: str) -> dict[str, Any]:
        """Return the values of a line by their names.

        Raises:
            NoAccessLine: it has another form.
        """
        found = _LINE.fullmatch(line)
        if not found:
            raise NoAccessLine("not a line of the common or combined log format")
        row: dict[str, Any] = {
            name: _cell(text) for name, text in zip(_COLUMNS, found.groups(), strict=False)
        }
        request = _REQUEST.fullmatch(row["request"] or "")
        row["method"], target, row["protocol"] = request.groups() if request else (None,) * 3
        path, _, query = (target or "").partition("?")
        row |= {"path": Cell(path) if request else None, "query": Cell(query) if query else None}
        return row | self._rest(found[11] or "")

    def _rest(self, text: str) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(self._names)
        values = [it[1] if it[2] is None else it[2] for it in _REST.finditer(text)]
        names = iter(self._names)
        for value in values:
            if named := _NAMED.fullmatch(value):
                row[named[1]] = _cell(named[2])
            elif (name := next(names, None)) is not None:
                row[name] = _cell(value)
        return row


def _cell(text: str | None) -> Cell | None:
    """Return a value as it was before the server escaped it; None for the dash of no value."""
    if text is None or text == "-":
        return None
    if "\\" in text:
        raw = _ESCAPED.sub(_plain, text.encode())
        text = raw.decode(errors="backslashreplace")
    return Cell(text)


def _plain(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode())
    return _LETTERS.get(found[2], found[2])
