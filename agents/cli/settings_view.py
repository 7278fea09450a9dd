"""Say of each setting which variable it is, where its value comes from, and what it is for."""

import os
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from dotenv import dotenv_values
from pydantic import SecretStr

from agents.runtime.settings import Settings

PREFIX = "OPWATCH_"
DOTENV = ".env"

HEAD = """\
# Settings

All are environment variables; a file `.env` in the working directory may hold them too (the
environment wins). `opwatch config check` shows what is in force and from where, finds mistakes
and misspelt names, and masks secrets. This table is made from `agents/runtime/settings.py` by
`opwatch config table`.

| variable | default | takes | what for |
|---|---|---|---|
"""


def variable(field: str) -> str:
    """Return the variable's name."""
    return PREFIX + field.upper()


def source_of(
    field: str, environment: Mapping[str, str] = os.environ, dotenv: str = DOTENV
) -> Literal["environment", ".env", "default"]:
    """Return where the field's value comes from."""
    name = variable(field)
    if name in _upper(environment):
        return "environment"
    return ".env" if name in _upper(dotenv_values(dotenv)) else "default"


def unknown_variables(
    environment: Mapping[str, str] = os.environ,
    dotenv: str = DOTENV,
    secrets: Collection[str] = (),
) -> list[tuple[str, str | None]]:
    """Return our variables that are no setting, each with the setting that may be meant.

    Args:
        environment: the process's.
        dotenv: the path of a file with more.
        secrets: variables that channels name: no settings, and none the less of use.
    """
    known = [variable(field) for field in Settings.model_fields]
    given = sorted(_upper(environment) | _upper(dotenv_values(dotenv)))
    unknown = [name for name in given if name.startswith(PREFIX) and name not in (*known, *secrets)]
    return [(name, next(iter(get_close_matches(name, known, 1, 0.7)), None)) for name in unknown]


def markdown() -> str:
    """Return the page that documents the settings."""
    rows = []
    for field, info in Settings.model_fields.items():
        if info.default_factory is not None:
            default = "the host's name"
        elif info.default is None or info.default == "":
            default = "–"
        else:
            shown = str(info.default).lower() if isinstance(info.default, bool) else info.default
            default = f"`{shown}`"
        cells = (f"`{variable(field)}`", default, _takes(info.annotation, info.metadata))
        rows.append(" | ".join((*cells, _cell(info.description or "–"))))
    return HEAD + "".join(f"| {row} |\n" for row in rows)


def _takes(kind: Any, metadata: Iterable[Any]) -> str:
    if get_origin(kind) in (Union, UnionType):
        kind = next(arg for arg in get_args(kind) if arg is not NoneType)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    word = {bool: "true, false", int: "whole number", float: "number", SecretStr: "secret"}
    text = word.get(kind, "text")
    low = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in metadata if hasattr(item, "le")), None)
    if low is not None and high is not None:
        return f"{text}, {low:g}–{high:g}"
    return f"{text}, from {low:g}" if low is not None else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _upper(names: Iterable[str]) -> set[str]:
    return {name.upper() for name in names}
