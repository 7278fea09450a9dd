"""What a terminal would obey is escaped, and seen as what it is."""

import io
import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agents.cli.printing import visible_console
from agents.runtime.escaping import json_text, visible, visible_json
from tests.unit.cli.hostile_world import CHARACTERS, HOSTILE


def test_on_a_terminal_only_the_colours_are_ours() -> None:
    out = io.StringIO()
    console = visible_console(file=out, force_terminal=True, width=400)
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(Text(HOSTILE, style="bold red"))
    with Live(table, console=console, auto_refresh=False) as live:
        live.update(table, refresh=True)
        console.print(table, HOSTILE)
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue().replace("\r", ""))
    assert "\\x9b31m" in written
    assert ":smile:" in written
    assert not [letter for letter in written if letter != "\n" and visible(letter) != letter]


@given(st.text(st.characters()))
def test_what_is_shown_is_seen(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert shown.encode() or not text
    assert visible(shown) == shown
    assert visible(text, "\n").count("\n") == text.count("\n")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=3), max_size=3))
def test_json_says_the_same_and_is_seen(value: Any) -> None:
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value
    assert json.loads(visible_json(json.dumps(value, ensure_ascii=False))) == value


def test_each_kind_of_character_is_escaped() -> None:
    for letter in CHARACTERS + "\ud800\udfff\r\n\t":
        if letter not in "[31m]0;owned":
            assert visible(letter) in (ascii(letter)[1:-1], f"\\x{ord(letter):02x}")
    assert visible("ümläut – 日本語 😀 [red]") == "ümläut – 日本語 😀 [red]"
