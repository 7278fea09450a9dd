"""Find secrets that were typed into a rule file, and say where they belong."""

import re
from collections.abc import Iterator
from typing import Any

from agents.rule_file.yaml import YamlPath
from agents.runtime.channel_variables import is_ours
from agents.runtime.settings import own_variables
from schemas.channels import MODELS

#: Fields that would hold a secret, and the variable that is meant for it.
_FIELDS = {
    "token": "a variable of its own",
    "api_key": "a variable of its own",
    **{name: to for model in MODELS.values() for name, to in model.vendor.typed_fields.items()},
}
_VALUES = (
    *(
        (re.compile(pattern), to)
        for model in MODELS.values()
        for pattern, to in model.vendor.typed_values.items()
    ),
    (re.compile(r"://[^/\s:@]+:[^/\s:@]+@"), "a variable that holds the whole address"),
)
_OURS = (
    "is opwatch's or the system's own: name a variable that is for channels, such as"
    " PAGERDUTY_SERVICE_KEY (OPWATCH_CHANNEL_VARIABLES lists them)"
)
#: PagerDuty's and Twilio's keys have no mark of their own, only this form.
_HEX_KEY = re.compile(r"[0-9a-fA-F]{32}|R[0-9A-Z]{31}")
_KEY_FIELDS = {
    field for model in MODELS.values() for field in model.model_fields if field.endswith("_env")
}


def typed_in(body: Any, path: YamlPath = ()) -> Iterator[tuple[YamlPath, str]]:
    """Yield where a secret stands and what to do; the secret itself is never repeated."""
    if isinstance(body, dict):
        kind = body.get("type")
        own = MODELS[kind].vendor.typed_fields if isinstance(kind, str) and kind in MODELS else {}
        fields = _FIELDS | dict(own)
        for name, value in body.items():
            variable = fields.get(name.lower()) if isinstance(value, str | int) else None
            in_labels = bool(path) and path[-1] == "labels"
            if variable and not in_labels:
                yield (*path, name), _moved(variable)
            else:
                yield from typed_in(value, (*path, name))
    elif isinstance(body, list):
        for at, value in enumerate(body):
            yield from typed_in(value, (*path, at))
    elif isinstance(body, str) and (variable := _secret(body, path)):
        yield path, _moved(variable)


def misused(body: Any) -> Iterator[tuple[YamlPath, str]]:
    """Yield where a channel names a variable that holds a secret of opwatch's own."""
    channels = body.get("channels") if isinstance(body, dict) else None
    ours = own_variables()
    for at, channel in enumerate(channels if isinstance(channels, list) else ()):
        for field in _KEY_FIELDS & set(channel if isinstance(channel, dict) else ()):
            name = channel[field]
            if isinstance(name, str) and is_ours(name, ours):
                yield ("channels", at, field), f"{name} {_OURS}"


def _secret(text: str, path: YamlPath) -> str | None:
    for pattern, variable in _VALUES:
        if pattern.search(text):
            return variable
    if path and path[-1] in _KEY_FIELDS and _HEX_KEY.fullmatch(text):
        return "a variable whose name stands here"
    return None


def _moved(variable: str) -> str:
    return (
        "a secret does not belong in the file: remove it here (and give it up, it has been"
        f" seen), and put the new one into the environment as {variable}"
    )
