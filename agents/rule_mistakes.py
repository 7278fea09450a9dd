"""Say what is wrong in a rule file: where it stands, and what to write instead."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from agents import rule_secrets
from agents.rule_kinds import repaired
from agents.rule_sentences import sentence
from agents.rule_yaml import Document, Mistake, Path
from schemas.rule_file import RuleFile, misfits

_EMPTY = "the file is empty: write `rules:` and below it a rule, as config/opwatch.yaml does"


def mistakes_of(document: Document) -> tuple[RuleFile | None, list[Mistake]]:
    """Return the rule file, or else every mistake in it, in the file's order."""
    if document.broken is not None:
        return None, [document.broken]
    body = document.body
    if body is None:
        return None, [_placed(document, (), _EMPTY)]
    found: dict[Path, str] = {}
    for path, text in rule_secrets.typed_in(body):
        found.setdefault(path, text)
    for path, text in document.mistakes:
        found.setdefault(path, text)
    guessed, unknown_kinds = repaired(body)
    for path, text in (*unknown_kinds, *misfits(body)):
        found.setdefault(path, text)
    rules, refused = _validated(guessed)
    for path, text in refused:
        found.setdefault(path, text)
    if not found:
        return rules, []
    return None, sorted(_placed(document, path, text) for path, text in found.items())


def _validated(body: Any) -> tuple[RuleFile | None, list[tuple[Path, str]]]:
    try:
        return RuleFile.model_validate(body), []
    except ValidationError as error:
        return None, list(_refused(error, body))


def _refused(error: ValidationError, body: Any) -> Iterator[tuple[Path, str]]:
    for each in error.errors(include_url=False):
        path = _path_in(each["loc"], body)
        if not path and each["type"] == "value_error":
            continue  # what `misfits` says with its places
        yield path, sentence(each, path)


def _path_in(loc: Path, body: Any) -> Path:
    """Return the place in the file: pydantic also names the kind it went through."""
    path: list[str | int] = []
    node = body
    for number, step in enumerate(loc):
        if _holds(node, step):
            node = node[step]
        elif number < len(loc) - 1 or not isinstance(node, dict):
            continue
        path.append(step)
    return tuple(path)


def _holds(node: Any, step: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and step in node


def _placed(document: Document, path: Path, text: str) -> Mistake:
    line, column = (
        document.place((*path, "")) if (*path, "") in document.places else (document.place(path))
    )
    return Mistake(line=line, column=column, where=_where(path, document.body), text=text)


def _where(path: Path, body: Any) -> str:
    """Return the path for people: `rules[2] high_error_rate.threshold`."""
    text = ""
    node = body
    for step in path:
        node = node[step] if _holds(node, step) else None
        if isinstance(step, int):
            text += f"[{step}]"
            name = node.get("name") if isinstance(node, dict) else None
            text += f" {name}" if isinstance(name, str) else ""
        else:
            text += f".{step}" if text else step
    return text
