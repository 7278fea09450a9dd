"""Show dead letters: as fields, as a table, as readable bytes."""

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from agents.cli.letters import Letter, Letters, glimpse, when
from agents.cli.printing import console
from agents.runtime.visible import json_text, visible


def summary(letter: Letter, found: Letters) -> dict[str, Any]:
    """Return what there is to say of a letter."""
    redriven = found.redriven.get(letter.key)
    return {
        "key": letter.key,
        "reason": letter.about.reason,
        "detail": letter.about.detail,
        "refused_at": when(letter.refused_at_ms),
        "size_bytes": letter.about.size_bytes,
        "redriven_at": None if redriven is None else when(redriven),
        "first_bytes": glimpse(letter.value, 80),
    }


def print_table(shown: Sequence[Letter], found: Letters) -> None:
    """Print a row a letter."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("key", "reason", "refused at", "bytes", "redriven"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "bytes" else "left")
    table.add_column("begins")
    for letter in shown:
        table.add_row(
            Text(visible(letter.key), overflow="fold"),
            visible(letter.about.reason),
            when(letter.refused_at_ms),
            f"{letter.about.size_bytes:,}",
            Text("yes" if letter.key in found.redriven else "", style="green"),
            Text(glimpse(letter.value, 120), no_wrap=True, overflow="ellipsis"),
        )
    console().print(table)


def pretty(value: bytes) -> str:
    """Return the bytes as indented JSON, else as text; what a terminal would obey is escaped."""
    try:
        return json_text(json.loads(value), indent=2)
    except (ValueError, RecursionError):
        return visible(value.decode(errors="backslashreplace"), "\n\t")
