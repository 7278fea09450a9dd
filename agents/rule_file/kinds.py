"""Guess what a rule or channel of an unknown kind was meant to be, to find its other mistakes."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from agents.rule_file.yaml import Path
from schemas import channels, rules

_SHOWN = 60
KINDS: Mapping[str, type[BaseModel]] = {
    "metric_threshold": rules.MetricThreshold,
    "service_status": rules.ServiceStatus,
    "burn_rate": rules.BurnRate,
    "trend": rules.TrendRule,
    "no_data": rules.NoData,
}
TYPES: Mapping[str, type[BaseModel]] = channels.MODELS


def repaired(body: Any) -> tuple[Any, list[tuple[Path, str]]]:
    """Return the file with kinds that can be validated, and what was wrong with those it has."""
    if not isinstance(body, dict):
        return body, []
    mistakes: list[tuple[Path, str]] = []
    body = dict(body)
    for part, tag, models in (("rules", "kind", KINDS), ("channels", "type", TYPES)):
        if isinstance(body.get(part), list):
            body[part] = [
                _known(each, (part, at), tag, models, mistakes)
                for at, each in enumerate(body[part])
            ]
    return body, mistakes


def _known(
    each: Any,
    path: Path,
    tag: str,
    models: Mapping[str, type[BaseModel]],
    mistakes: list[tuple[Path, str]],
) -> Any:
    if not isinstance(each, dict) or each.get(tag) in list(models):
        return each
    listed = ", ".join(models)
    given = each.get(tag)
    if tag not in each or given is None:
        guess = _by_fields(each, models)
        mistakes.append(
            ((*path, tag), f"is missing: write `{tag}: {guess}`, or another of {listed}")
        )
    else:
        meant = get_close_matches(str(given)[:_SHOWN], models, 1, 0.6)
        guess = meant[0] if meant else _by_fields(each, models)
        hint = f"did you mean {guess}?" if meant else f"write one of {listed}"
        mistakes.append(((*path, tag), f"{repr(given)[:_SHOWN]} is no {tag}; {hint}"))
    return each | {tag: guess}


def _by_fields(each: dict[str, Any], models: Mapping[str, type[BaseModel]]) -> str:
    def shared(name: str) -> int:
        return len(each.keys() & set(names_of(models[name])))

    return max(models, key=shared)


def names_of(model: type[BaseModel]) -> list[str]:
    """Return a model's fields as the file names them."""
    return [info.alias or name for name, info in model.model_fields.items()]
