"""Say which fields of a rule make it what it is, which its condition, and which only show or route.

What an open breach is after a field of the rule file changed:

    MEASURES     of another rule: it ends
    SELECTS      the same while its series is still selected; else it ends
    DECIDES      the same while the new condition holds; else it ends
    LEVELS       the same, with another severity
    SHOWS        the same, updated; so are the next two
    ROUTES
    UNSEEN       the same: no breach says it

A field that has its default counts for nothing, so a release that adds one changes no rule.
"""

import hashlib
import json
from typing import Any

from pydantic import BaseModel

MEASURES = frozenset({"name", "kind", "metric"})
SELECTS = frozenset({"each", "match", "enabled"})
DECIDES = frozenset(
    {
        "operator",
        "threshold",
        "tiers",
        "resolve_threshold",
        "window",
        "for",
        "keep_firing_for",
        "min_samples",
        "no_operations",
        "status",
        "objective",
        "pairs",
        "evaluations",
        "after",
    }
)
LEVELS = frozenset({"severity"})
SHOWS = frozenset({"labels", "runbook", "dashboard", "summary"})
ROUTES = frozenset({"channels", "cooldown", "escalation"})
UNSEEN = frozenset({"description"})

_LENGTH = 16


def measure_of(rule: BaseModel) -> str:
    """Return what a rule measures: of one name and another measure it is another rule."""
    fields = _set(rule, MEASURES - {"name"})
    return "/".join(str(fields[name]) for name in sorted(fields))


def condition_of(rule: BaseModel) -> str:
    """Return a hash of what decides whether a series is in breach, severity left out."""
    return _hash(_set(rule, DECIDES))


def appearance_of(rule: BaseModel, *inherited: Any) -> str:
    """Return a hash of what a breach only shows or routes by, and of its severity.

    Args:
        rule: the rule.
        inherited: plain values that come of the file's defaults too.
    """
    return _hash([_set(rule, LEVELS | {"summary"}), *inherited])


def _set(rule: BaseModel, names: frozenset[str]) -> dict[str, Any]:
    """Return those fields of a rule that differ from their defaults, as plain values."""
    dumped = rule.model_dump(mode="json", by_alias=True)
    found = {}
    for name, field in type(rule).model_fields.items():
        written = field.alias or name
        if written not in names:
            continue
        is_required = field.is_required()
        default = None if is_required else field.get_default(call_default_factory=True)
        if is_required or getattr(rule, name) != default:
            value = dumped[written]
            found[written] = sorted(value) if written == "status" else value
    return found


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
