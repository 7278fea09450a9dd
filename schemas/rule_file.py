"""Describe the rule file as a whole: defaults, channels and rules."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.channels import Channel, Defaults
from schemas.guesses import hint
from schemas.rule_kinds import Rule
from schemas.rules import Configured, RuleName, Schedule

MAX_RULES = 1_000
MAX_CHANNELS = 100
MAX_INTERVALS = 100
#: Names that a sentence lists.
_LISTED = 20
_SHOWN = 100

Path = tuple[str | int, ...]


class RuleFile(Configured):
    """What good is, and who is notified when it is not."""

    version: Literal[1] = 1
    defaults: Defaults = Field(default_factory=Defaults)
    time_intervals: dict[RuleName, Schedule] = Field(
        default_factory=dict,
        max_length=MAX_INTERVALS,
        description="Schedules by name, such as `every sat 02:00-04:00 Europe/Berlin`.",
    )
    channels: list[Channel] = Field(default_factory=list, max_length=MAX_CHANNELS)
    rules: list[Rule] = Field(default_factory=list, max_length=MAX_RULES)

    @model_validator(mode="after")
    def _fits_together(self) -> "RuleFile":
        mistakes = [text for _, text in islice(misfits(self.model_dump(by_alias=True)), _LISTED)]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


def misfits(body: Any) -> Iterator[tuple[Path, str]]:
    """Yield where parts of a rule file do not fit one another.

    Args:
        body: plain values, also of a file that has other mistakes.
    """
    if not isinstance(body, dict):
        return
    for part in ("channels", "rules"):
        yield from _twice(body, part)
    named = (channel.get("name") for _, channel in _parts(body, "channels"))
    described = dict.fromkeys(name for name in named if name and isinstance(name, str))
    for path, name in _referenced(body):
        if isinstance(name, str) and name not in described:
            yield path, _unknown(name, list(described)[:MAX_CHANNELS], "channel", "channels")
    intervals = body.get("time_intervals")
    there_are = list(intervals)[:MAX_INTERVALS] if isinstance(intervals, dict) else []
    for path, name in _intervals(body):
        if isinstance(name, str) and name not in there_are:
            yield path, _unknown(name, list(map(str, there_are)), "time interval", "time_intervals")
    for at, channel in _parts(body, "channels"):
        if channel.get("fallback") is not None and channel["fallback"] == channel.get("name"):
            yield ("channels", at, "fallback"), "a channel cannot stand in for itself: name another"


def _parts(body: dict[str, Any], part: str) -> Iterator[tuple[int, dict[str, Any]]]:
    parts = body.get(part)
    for at, fields in enumerate(parts if isinstance(parts, list) else []):
        if isinstance(fields, dict):
            yield at, fields


def _twice(body: dict[str, Any], part: str) -> Iterator[tuple[Path, str]]:
    seen: dict[str, int] = {}
    for at, fields in _parts(body, part):
        name = fields.get("name")
        if not isinstance(name, str):
            continue
        if name in seen:
            text = f"{part}[{seen[name]}] has the name {name!r} too: give one of them another"
            yield (part, at, "name"), text
        seen.setdefault(name, at)


def _referenced(body: dict[str, Any]) -> Iterator[tuple[Path, object]]:
    """Yield each place where a channel is named, with what stands there."""
    defaults = body.get("defaults")
    if isinstance(defaults, dict):
        yield from _elements(defaults, ("defaults",))
    for at, channel in _parts(body, "channels"):
        yield ("channels", at, "fallback"), channel.get("fallback")
    for at, rule in _parts(body, "rules"):
        yield from _elements(rule, ("rules", at))
        for number, step in _parts(rule, "escalation"):
            yield from _elements(step, ("rules", at, "escalation", number))


def _intervals(body: dict[str, Any]) -> Iterator[tuple[Path, object]]:
    """Yield each place where a time interval is named, with what stands there."""
    defaults = body.get("defaults")
    holders: list[tuple[Path, dict[str, Any]]] = [
        (("rules", at), rule) for at, rule in _parts(body, "rules")
    ]
    if isinstance(defaults, dict):
        holders.insert(0, (("defaults",), defaults))
    for path, holder in holders:
        for field in ("mute_time_intervals", "active_time_intervals"):
            yield from _elements(holder, path, field)


def _elements(
    holder: dict[str, Any], path: Path, field: str = "channels"
) -> Iterator[tuple[Path, object]]:
    names = holder.get(field)
    for at, name in enumerate(names if isinstance(names, list) else []):
        yield (*path, field, at), name


def _unknown(name: str, described: list[str], what: str, place: str) -> str:
    name = name[:_SHOWN]
    if not described:
        return f"no {what} is called {name!r}: describe it under `{place}`"
    return f"no {what} is called {name!r}; {hint(name, described[:_LISTED], 'there are')}"
