"""Say what is wrong in a rule file: where it stands, and what to write instead."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
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
_TAGS = {"kind", "type"}
_ALIKE = 0.5

Model = TypeVar("Model", bound=BaseModel)
_EMPTY = "the file is empty: write `rules:` and below it a rule, as config/opwatch.yaml does"


def mistakes_of(document: Document) -> tuple[RuleFile | None, list[Mistake]]:
    """Return the rule file, or else every mistake in it, in the file's order."""
    if document.broken is not None:
        return None, [document.broken]
    body = document.body
    if body is None:
        return None, [placed(document, (), _EMPTY)]
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
    guess, is_likely = _guess(fields, str(written or "")[:_SHOWN], models)
    if written is None:
        text = f"is missing: write `{tag}: {guess}`, or another of {listed}"
    else:
        hint = f"did you mean {guess}?" if is_likely else f"write one of {listed}"
        text = f"{repr(written)[:_SHOWN]} is no {tag}; {hint}"
    mistakes.append(((*path, tag), text))
    return fields | {tag: guess}


def _guess(
    fields: dict[str, Any], written: str, models: Mapping[str, type[BaseModel]]
) -> tuple[str, bool]:
    """Return the kind or type that is meant by its name and fields, and whether that is likely.

    What the fields fit better wins, so that a wrong guess does not make mistakes of right fields.
    """
    misfits = {name: _misfits(fields, model) for name, model in models.items()}
    alike = {name: _likeness(written, name, model) for name, model in models.items()}
    guess = max(models, key=lambda name: 2 * alike[name] - misfits[name])
    own = set(names_of(models[guess])).difference(
        *(names_of(model) for name, model in models.items() if name != guess)
    )
    fits = misfits[guess] == 0 and bool(own & fields.keys())
    return guess, alike[guess] >= _ALIKE or fits


def _misfits(fields: dict[str, Any], model: type[BaseModel]) -> int:
    """Return how many fields the model does not know, and how many it lacks."""
    needed = {info.alias or name for name, info in model.model_fields.items() if info.is_required()}
    return len(fields.keys() - set(names_of(model))) + len(needed - fields.keys() - _TAGS)


def _likeness(written: str, name: str, model: type[BaseModel]) -> float:
    """Return how much a text looks like a name, or like its vendor's: 0 to 1."""
    vendor = getattr(model, "vendor", None)
    names = [name] if vendor is None else [name, vendor.name.casefold()]
    folded = written.casefold()
    return max(SequenceMatcher(None, folded, it).ratio() for it in names)


def _collect(found: dict[YamlPath, str], mistakes: Iterable[tuple[YamlPath, str]]) -> None:
    """Add mistakes; of more than `MAX_MISTAKES` the rest can wait until those are mended."""
    for path, text in mistakes:
        if len(found) >= MAX_MISTAKES:
            return
        found.setdefault(path, text)


def _in_order(document: Document, found: Mapping[YamlPath, str]) -> list[Mistake]:
    return sorted(placed(document, path, text) for path, text in found.items())


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


def placed(document: Document, path: YamlPath, text: str) -> Mistake:
    """Return a mistake at a path of the file, or where what holds it stands."""
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
