"""Turn what pydantic refuses in a rule file into a sentence that says what to write."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from agents.rule_file.yaml import YamlPath
from schemas.channels import MODELS as CHANNEL_MODELS
from schemas.channels import Defaults
from schemas.guesses import hint
from schemas.numbers import plain
from schemas.rule_file import RuleFile
from schemas.rule_kinds import RULE_MODELS


def _nested(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the models of the lists in a model, by their field."""
    return {
        name: part
        for name, info in model.model_fields.items()
        for part in get_args(info.annotation)
        if isinstance(part, type) and issubclass(part, BaseModel)
    }


_PARTS: Mapping[str, type[BaseModel]] = {
    **RULE_MODELS,
    **CHANNEL_MODELS,
    **{name: part for model in RULE_MODELS.values() for name, part in _nested(model).items()},
    "defaults": Defaults,
}
_SHOWN = 60
_EXAMPLES = {
    "name": "name: high_error_rate",
    "metric": "metric: error_rate",
    "operator": "operator: greater_than",
    "threshold": "threshold: 5",
    "window": "window: 5m",
    "after": "after: 15m",
    "status": "status: down",
    "objective": "objective: 99.9",
    "severity": "severity: high",
    "channels": "channels: [slack_engineering]",
    "to": "to: [name@example.com]",
    "rate": "rate: 14.4",
    "long": "long: 1h",
    "short": "short: 5m",
}
#: Operators as other systems write them.
_SIGNS = {
    "<": "less_than",
    "lt": "less_than",
    "<=": "less_than_or_equal",
    "le": "less_than_or_equal",
    ">": "greater_than",
    "gt": "greater_than",
    ">=": "greater_than_or_equal",
    "ge": "greater_than_or_equal",
}
_WANTED = {
    "list_type": "write a list: [one, two], or lines that begin with a dash",
    "dict_type": "write fields: `name: value` lines, further in",
    "model_type": "write fields: `name: value` lines, further in",
    "model_attributes_type": "write fields: `name: value` lines, further in",
    "string_type": "write text, in quotes if it looks like a number",
    "float_type": "write a number without quotes and units, such as 5 or 99.9",
    "int_type": "write a whole number without quotes, such as 50",
    "int_from_float": "write a whole number, such as 50",
    "bool_type": "write true or false",
    "finite_number": "write a number",
}


def sentence(
    mistake: Mapping[str, Any],
    path: YamlPath,
    parts: Mapping[str, type[BaseModel]] = _PARTS,
    root: type[BaseModel] = RuleFile,
) -> str:
    """Return what is wrong and what to write.

    Args:
        mistake: of pydantic's `errors()`.
        path: where it stands in the file.
        parts: the models by the field, or the kind, that holds them.
        root: the model of the whole.
    """
    kind, value, context = mistake["type"], mistake["input"], mistake.get("ctx", {})
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return _unknown(name, mistake["loc"][:-1], parts, root)
    if kind == "missing":
        return f"is missing: write `{_EXAMPLES.get(name, name + ': …')}`"
    if kind == "literal_error":
        return _none_of(value, str(context["expected"]))
    if kind == "value_error":
        return _refused(str(context["error"]), value)
    if kind in _WANTED:
        return ("is empty" if value is None else f"{_shown(value)} is wrong") + f": {_WANTED[kind]}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(value)} is no name: write letters, digits and _ . - only, a letter first"
    return _bounded(kind, value, context) or f"{_shown(value)}: {mistake['msg']}"


def _unknown(
    name: str, parent: YamlPath, parts: Mapping[str, type[BaseModel]], root: type[BaseModel]
) -> str:
    holder = next((str(step) for step in reversed(parent) if not isinstance(step, int)), "")
    names = names_of(parts.get(holder, root))
    of = f" of {holder}" if holder in RULE_MODELS or holder in CHANNEL_MODELS else ""
    return f"no such field{of}; {hint(name, names, 'there are')}"


def _none_of(value: object, expected: str) -> str:
    choices = expected.replace("'", "").replace(" or ", ", ").split(", ")
    written = _SIGNS.get(str(value), str(value))
    return f"{_shown(value)} is wrong; {hint(written, choices)}"


def _refused(refusal: str, value: object) -> str:
    # A sentence of ours: with the value first where it only says what the value is.
    verbs = ("is ", "must ")
    if refusal.startswith(verbs) and isinstance(value, str | int | float):
        return f"{_shown(value)} {refusal}"
    return refusal


def _bounded(kind: str, value: object, context: Mapping[str, Any]) -> str | None:
    words = {
        "greater_than": ("gt", "above"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "below"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in words:
        key, word = words[kind]
        return f"{_shown(value)} is out of range: write a number {word} {plain(context[key])}"
    if kind == "too_short":
        return "is empty: name at least one"
    if kind == "too_long":
        return f"has too many elements: at most {context['max_length']:,}"
    if kind == "string_too_long":
        return f"is too long: at most {context['max_length']} characters"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def names_of(model: type[BaseModel]) -> list[str]:
    """Return a model's fields as the file names them."""
    return [info.alias or name for name, info in model.model_fields.items()]
