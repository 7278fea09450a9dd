"""Say which fields of a rule make it what it is, which its condition, and which only show or route.

What an open breach is after a field of the rule file changed:

    MEASURES     of another rule: it ends
    SELECTS      the same while its series is still selected; else it ends
    DECIDES      the same while the new condition holds; else it ends
    LEVELS       the same, with another severity
    SHOWS        the same, updated; so are the next two
    ROUTES
    UNSEEN       the same: no breach says it

The fields that only some kinds have decide, but for those that their model says are measured. A
field that has its default counts for nothing, so a release that adds one changes no rule.
"""

import hashlib
import json
from functools import cache
from typing import Any

from schemas.rules import BaseRule

#: The class of each field that all rules have.
CLASSES: dict[str, frozenset[str]] = {
    "MEASURES": frozenset({"name"}),
    "SELECTS": frozenset({"each", "match", "enabled"}),
    "DECIDES": frozenset({"keep_firing_for"}),
    "LEVELS": frozenset({"severity"}),
    "SHOWS": frozenset({"labels", "runbook", "dashboard", "summary"}),
    "ROUTES": frozenset(
        {"channels", "cooldown", "escalation", "mute_time_intervals", "active_time_intervals"}
    ),
    "UNSEEN": frozenset({"description"}),
}
_SHARED = {field: name for name, fields in CLASSES.items() for field in fields}
_LENGTH = 16


def class_of(rule: type[BaseRule], field: str) -> str:
    """Return the class of a field of a model, by its name in the file.

    Raises:
        KeyError: all rules have the field, and it is in no class.
    """
    if field in BaseRule.model_fields:
        return _SHARED[field]
    return "MEASURES" if field == "kind" or field in rule.MEASURES else "DECIDES"


def measure_of(rule: BaseRule) -> str:
    """Return what a rule measures: of one name and another measure it is another rule."""
    fields = _set(rule, "MEASURES")
    return "/".join(str(fields[name]) for name in sorted(fields) if name != "name")


def condition_of(rule: BaseRule) -> str:
    """Return a hash of what decides whether a series is in breach, severity left out."""
    return _hash(_set(rule, "DECIDES"))


def appearance_of(rule: BaseRule, *inherited: Any) -> str:
    """Return a hash of what a breach only shows or routes by, and of its severity.

    Args:
        rule: the rule.
        inherited: plain values that come of the file's defaults too.
    """
    return _hash([_set(rule, "LEVELS"), rule.summary, *inherited])


def _set(rule: BaseRule, class_name: str) -> dict[str, Any]:
    """Return those fields of a class that differ from their defaults, as plain values."""
    dumped = rule.model_dump(mode="json", by_alias=True)
    found = {}
    for name, field in type(rule).model_fields.items():
        written = field.alias or name
        if class_of(type(rule), written) != class_name:
            continue
        if field.is_required() or getattr(rule, name) != _defaults(type(rule))[name]:
            value = dumped[written]
            is_words = isinstance(value, list) and all(isinstance(it, str) for it in value)
            found[written] = sorted(value) if is_words else value
    return found


@cache  # asking pydantic for a default reads the signature of what makes it
def _defaults(rule: type[BaseRule]) -> dict[str, Any]:
    fields = rule.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]
