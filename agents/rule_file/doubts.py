"""Find what a valid rule file likely does not mean: templates that fail, numbers in another unit.

The rules would run all the same, so the workers take such a file; the checks of people find it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jinja2 import meta

from agents.rule_file.example import channels_of, example_breach, example_message
from agents.rule_file.load import LoadedRules, read_text
from agents.rule_file.mistakes import placed
from agents.rule_file.yaml import YamlPath, read
from schemas.channels import Channel
from schemas.guesses import hint
from schemas.numbers import plain
from schemas.rule_file import RuleFile
from schemas.rule_kinds import BurnRate, Change, MetricRule, Rule
from schemas.templates import parse
from streams.channels.templates import TemplateFailed, render
from streams.channels.wording import values
from streams.rules.kinds import kind_for

#: Some moment; what is made up shows no other.
_NOW_MS = 1_772_409_600_000
_STATES = ("opened", "updated", "resolved")
_EVENTS = ("opened", "resolved", "escalated", "acknowledged")
#: A duration below it, in ms, was likely meant in seconds.
_FEW_MS = 10


class Doubts(NamedTuple):
    """What is likely wrong, each a line with its place."""

    mistakes: list[str]
    """Templates that will fail."""
    warnings: list[str]
    """Numbers that look as if another unit was meant."""


class _Anything(dict[str, Any]):
    """Has every key: evidence differs by what happened."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what stands there, or else some number."""
        del default
        return super().get(key, 1.5)


def doubts(loaded: LoadedRules) -> Doubts:
    """Return what is likely wrong in a rule file that is valid."""
    document = read(read_text(loaded.path))
    rules = loaded.rules
    found = [*_in_summaries(rules), *_in_templates(rules)], [*_in_numbers(rules)]
    texts = [[str(placed(document, path, text)) for path, text in sorted(it)] for it in found]
    return Doubts(*([f"{loaded.path}:{text}" for text in of_kind] for of_kind in texts))


# ---------------------------------------------------------------- templates


def _in_summaries(rules: RuleFile) -> Iterator[tuple[YamlPath, str]]:
    for at, rule in enumerate(rules.rules):
        if rule.summary is not None:
            breach = example_breach(rule, rules.defaults, "", _NOW_MS)
            fields = breach.model_dump(mode="json") | {
                "evidence": _Anything(),
                "sentence": breach.summary,
            }
            tried = (fields | {"state": state} for state in _STATES)
            if why := _fails(rule.summary, tried):
                yield ("rules", at, "summary"), f"fails, so that ours would be sent: {why}"


def _in_templates(rules: RuleFile) -> Iterator[tuple[YamlPath, str]]:
    for at, channel in enumerate(rules.channels):
        if channel.template is None:
            continue
        notifying = [it for it in rules.rules if channel.name in channels_of(it, rules.defaults)]
        tried: list[Rule | None] = [*notifying] or [None]
        for rule in tried:
            if why := _fails(channel.template, _messages(rules, channel, rule)):
                of = "" if rule is None else f" of {rule.name}"
                text = f"fails for alerts{of}, so that our text would be sent: {why}"
                yield ("channels", at, "template"), text
                break


def _messages(
    rules: RuleFile, channel: Channel, rule: Rule | None
) -> Iterator[Mapping[str, object]]:
    breach = example_breach(rule, rules.defaults, channel.name, _NOW_MS)
    for event in _EVENTS:
        yield values(example_message(breach, event, _NOW_MS)) | {"evidence": _Anything()}


def _fails(template: str, tried: Iterable[Mapping[str, object]]) -> str | None:
    """Return why a template fails with one of the values, or in a branch that none of them took."""
    for fields in tried:
        unknown = meta.find_undeclared_variables(parse(template)) - fields.keys()
        if unknown:
            name = min(unknown)
            return f"there is no value {name!r}; {hint(name, sorted(fields), 'there are')}"
        try:
            render(template, fields)
        except TemplateFailed as failure:
            return str(failure)
    return None


# ---------------------------------------------------------------- numbers


def _in_numbers(rules: RuleFile) -> Iterator[tuple[YamlPath, str]]:
    for at, rule in enumerate(rules.rules):
        if isinstance(rule, BurnRate) and rule.objective < 1:
            yield ("rules", at, "objective"), _per_cent("an objective", rule.objective)
        if not isinstance(rule, MetricRule):
            continue
        says = _WRONG_UNITS.get(kind_for(rule).measured.unit)
        for path, number in _thresholds(rule):
            if says and number and (text := says(rule, number)):
                yield ("rules", at, *path), text


def _thresholds(rule: MetricRule) -> Iterator[tuple[YamlPath, float | None]]:
    yield ("threshold",), rule.threshold
    yield ("resolve_threshold",), rule.resolve_threshold
    for at, tier in enumerate(rule.tiers):
        yield ("tiers", at, "threshold"), tier.threshold


def _small_share(rule: MetricRule, number: float) -> str | None:
    what = "a change" if isinstance(rule, Change) else rule.metric
    return _per_cent(what, number) if abs(number) < 1 else None


def _per_cent(what: str, number: float) -> str:
    ratio, meant_as = plain(number), plain(number * 100, 6)
    return f"{what} is in per cent, and this is {ratio} %: for {meant_as} % write {meant_as}"


def _short_duration(rule: MetricRule, number: float) -> str | None:
    if not 0 < number < _FEW_MS:
        return None
    seconds, ms = plain(number), plain(number * 1000, 6)
    return f"{rule.metric} is in milliseconds, and this is {seconds} ms: for {seconds} s write {ms}"


#: What a number may mean that looks wrong in a unit.
_WRONG_UNITS: Mapping[str, Callable[[MetricRule, float], str | None]] = {
    "%": _small_share,
    "ms": _short_duration,
}
