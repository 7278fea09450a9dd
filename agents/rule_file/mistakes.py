"""Say what is wrong in a rule file: where it stands, and what to write instead."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.rule_file import secrets as rule_secrets
from agents.rule_file.mistake_texts import names_of, sentence
from agents.rule_file.yaml import Document, Mistake, YamlPath
from schemas.channels import MODELS as CHANNEL_MODELS
from schemas.rule_file import RuleFile, misfits
from schemas.rule_kinds import RULE_MODELS

MAX_MISTAKES = 100
_SHOWN = 60
_TAGGED = (("rules", "kind", RULE_MODELS), ("channels", "type", CHANNEL_MODELS))

Model = TypeVar("Model", bound=BaseModel)
_EMPTY = "the file is empty: write `rules:` and below it a rule, as config/opwatch.yaml does"


def mistakes_of(document: Document) -> tuple[RuleFile | None, list[Mistake]]:
    """Return the rule file, or else every mistake in it, in the file's order."""
    if document.broken is not None:
        return None, [document.broken]
    body = document.body
    if body is None:
        return None, [_placed(document, (), _EMPTY)]
    repaired, unknown_kinds = _repaired(body)
    found: dict[YamlPath, str] = {}
    _collect(found, rule_secrets.typed_in(body))
    _collect(found, rule_secrets.misused(body))
    _collect(found, document.mistakes)
    _collect(found, unknown_kinds)
    _collect(found, misfits(body))
    rules = None
    try:
        rules = RuleFile.model_validate(repaired)
    except ValidationError as error:
        refusals = [
            (path, refusal)
            for path, refusal in _refusals(error, body)
            if path or refusal["type"] != "value_error"  # `misfits` finds these with their places
        ]
        _collect(found, ((path, sentence(refusal, path)) for path, refusal in refusals))
    if not found:
        return rules, []
    return None, _in_order(document, found)


def mistakes_in(
    document: Document,
    model: type[Model],
    parts: Mapping[str, type[BaseModel]],
) -> tuple[Model | None, list[Mistake]]:
    """Return what a YAML document holds by another model, or else every mistake in it.

    Args:
        document: as it was read.
        model: of the whole.
        parts: the models of its parts, by the field that holds them.
    """
    if document.broken is not None:
        return None, [document.broken]
    found: dict[YamlPath, str] = {}
    _collect(found, document.mistakes)
    value = None
    try:
        value = model.model_validate(document.body)
    except ValidationError as error:
        refusals = _refusals(error, document.body)
        _collect(found, ((path, sentence(it, path, parts, model)) for path, it in refusals))
    return (None, _in_order(document, found)) if found else (value, [])


def _repaired(body: Any) -> tuple[Any, list[tuple[YamlPath, str]]]:
    """Return the file with kinds that can be validated, and what was wrong with those it has."""
    if not isinstance(body, dict):
        return body, []
    mistakes: list[tuple[YamlPath, str]] = []
    body = dict(body)
    for part, tag, models in _TAGGED:
        if isinstance(body.get(part), list):
            body[part] = [
                _tagged(fields, (part, at), tag, models, mistakes)
                for at, fields in enumerate(body[part])
            ]
    return body, mistakes


def _tagged(
    fields: Any,
    path: YamlPath,
    tag: str,
    models: Mapping[str, type[BaseModel]],
    mistakes: list[tuple[YamlPath, str]],
) -> Any:
    """Return a rule or channel with the kind or type that it has, or else was meant to have."""
    if not isinstance(fields, dict) or fields.get(tag) in list(models):
        return fields
    listed = ", ".join(models)
    written = fields.get(tag)
    if written is None:
        guess = _by_fields(fields, models)
        mistakes.append(
            ((*path, tag), f"is missing: write `{tag}: {guess}`, or another of {listed}")
        )
    else:
        meant = get_close_matches(str(written)[:_SHOWN], models, 1, 0.6)
        guess = meant[0] if meant else _by_fields(fields, models)
        hint = f"did you mean {guess}?" if meant else f"write one of {listed}"
        mistakes.append(((*path, tag), f"{repr(written)[:_SHOWN]} is no {tag}; {hint}"))
    return fields | {tag: guess}


def _by_fields(fields: dict[str, Any], models: Mapping[str, type[BaseModel]]) -> str:
    def shared(name: str) -> int:
        return len(fields.keys() & set(names_of(models[name])))

    return max(models, key=shared)


def _collect(found: dict[YamlPath, str], mistakes: Iterable[tuple[YamlPath, str]]) -> None:
    """Add mistakes; of more than `MAX_MISTAKES` the rest can wait until those are mended."""
    for path, text in mistakes:
        if len(found) >= MAX_MISTAKES:
            return
        found.setdefault(path, text)


def _in_order(document: Document, found: Mapping[YamlPath, str]) -> list[Mistake]:
    return sorted(_placed(document, path, text) for path, text in found.items())


def _refusals(error: ValidationError, body: Any) -> Iterator[tuple[YamlPath, Any]]:
    for refusal in error.errors(include_url=False):
        yield _path_in(refusal["loc"], body), refusal


def _path_in(loc: YamlPath, body: Any) -> YamlPath:
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


def _placed(document: Document, path: YamlPath, text: str) -> Mistake:
    line, column = (
        document.place((*path, "")) if (*path, "") in document.places else (document.place(path))
    )
    return Mistake(line=line, column=column, where=_where(path, document.body), text=text)


def _where(path: YamlPath, body: Any) -> str:
    """Return the path for people: `rules[2] high_error_rate.threshold`."""
    text = ""
    node = body
    for step in path:
        node = node[step] if _holds(node, step) else None
        if isinstance(step, int):
            text += f"[{step}]"
            name = node.get("name") if isinstance(node, dict) else None
            text += f" {name[:_SHOWN]}" if isinstance(name, str) and " " not in name else ""
        else:
            text += f".{step}" if text else step
    return text
