"""Say what is wrong in a rule file: where it stands, and what to write instead."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.rule_file import secrets as rule_secrets
from agents.rule_file.kinds import repaired
from agents.rule_file.sentences import sentence
from agents.rule_file.yaml import Document, Mistake, Path
from schemas.rule_file import RuleFile, misfits

MAX_MISTAKES = 100
_SHOWN_NAME = 60

Model = TypeVar("Model", bound=BaseModel)
_EMPTY = "the file is empty: write `rules:` and below it a rule, as config/opwatch.yaml does"


def mistakes_of(document: Document) -> tuple[RuleFile | None, list[Mistake]]:
    """Return the rule file, or else every mistake in it, in the file's order."""
    if document.broken is not None:
        return None, [document.broken]
    body = document.body
    if body is None:
        return None, [_placed(document, (), _EMPTY)]
    guessed, unknown_kinds = repaired(body)
    found: dict[Path, str] = {}
    _collect(found, rule_secrets.typed_in(body))
    _collect(found, rule_secrets.misused(body))
    _collect(found, document.mistakes)
    _collect(found, unknown_kinds)
    _collect(found, misfits(body))
    rules = None
    try:
        rules = RuleFile.model_validate(guessed)
    except ValidationError as error:
        _collect(found, ((path, sentence(each, path)) for path, each in _refused(error, body)))
    if not found:
        return rules, []
    return None, _in_order(document, found)


def mistakes_in(
    document: Document,
    model: type[Model],
    parts: Mapping[str, type[BaseModel]],
) -> tuple[Model | None, list[Mistake]]:
    """Return what a YAML document says by another model, or else every mistake in it.

    Args:
        document: as it was read.
        model: of the whole.
        parts: the models of its parts, by the field that holds them.
    """
    if document.broken is not None:
        return None, [document.broken]
    found: dict[Path, str] = {}
    _collect(found, document.mistakes)
    told = None
    try:
        told = model.model_validate(document.body)
    except ValidationError as error:
        refused = _refused(error, document.body)
        _collect(found, ((path, sentence(each, path, parts, model)) for path, each in refused))
    return (None, _in_order(document, found)) if found else (told, [])


def _collect(found: dict[Path, str], mistakes: Iterable[tuple[Path, str]]) -> None:
    """Add mistakes; of more than `MAX_MISTAKES` the rest can wait until those are mended."""
    for path, text in mistakes:
        if len(found) >= MAX_MISTAKES:
            return
        found.setdefault(path, text)


def _in_order(document: Document, found: Mapping[Path, str]) -> list[Mistake]:
    return sorted(_placed(document, path, text) for path, text in found.items())


def _refused(error: ValidationError, body: Any) -> Iterator[tuple[Path, Any]]:
    for each in error.errors(include_url=False):
        path = _path_in(each["loc"], body)
        if path or each["type"] != "value_error":  # that is what `misfits` says with its places
            yield path, each


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
            text += f" {name[:_SHOWN_NAME]}" if isinstance(name, str) and " " not in name else ""
        else:
            text += f".{step}" if text else step
    return text
