"""Bring the rules of a file into the form they are evaluated in, and find those of a series."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from schemas.breaches import Routing, Step
from schemas.commands import Matcher
from schemas.matchers import matches, parse_matchers
from schemas.rule_file import RuleFile
from schemas.rule_kinds import Rule
from schemas.rules import SEVERITIES
from schemas.spans import MINUTE_MS
from streams.rules.aggregate_reader import DIMENSION
from streams.rules.firing import IDLE, LAPSE, FiringState, Verdict, step
from streams.rules.history import History
from streams.rules.identity import appearance_of, condition_of, measure_of
from streams.rules.kind_protocol import Kind
from streams.rules.kinds import kind_for


class CompiledRule(NamedTuple):
    """A rule, ready to be evaluated, the file's defaults included."""

    rule: Rule
    kind: Kind[Any]
    measure: str
    """What it measures: of another measure it is another rule."""
    condition: str
    """A hash of what decides."""
    appearance: str
    """A hash of what its breaches show besides, of whom they are routed to, and of severity."""
    wait: int
    """Minutes of `for`."""
    linger: int
    """Minutes of `keep_firing_for`."""
    level: int | None
    """Its severity, as an index into SEVERITIES; None if it has several."""
    keeps_firing: bool
    """Whether an open breach goes on to fire where no operations come."""
    labels: dict[str, str]
    runbook: str | None
    dashboard: str | None
    routing: Routing

    def verdict(self, history: History, minute: int) -> Verdict | None:
        """Return the verdict on a minute; None if it says nothing."""
        if self.kind.needs_operations and history.is_silent(minute):
            return None
        verdict = self.kind.judge(history, minute)
        return verdict if verdict is not None and verdict.enough else None

    def step(
        self, firing: FiringState, judged: int, verdict: Verdict | None, minute: int
    ) -> tuple[FiringState, int]:
        """Return the firing with one more minute in it, and the last minute that was judged.

        What was about to open begins anew after minutes in which there was nothing to judge by.
        """
        if verdict is None:
            return firing, judged
        if self.kind.needs_operations and firing.severity < 0 and minute - judged > LAPSE:
            firing = IDLE
        return step(firing, verdict, minute, self.wait, self.linger), minute


def compile_rules(file: RuleFile) -> tuple[CompiledRule, ...]:
    """Return the rules of a file that are enabled, in order."""
    return tuple(_compile(rule, file) for rule in file.rules if rule.enabled)


def _compile(rule: Rule, file: RuleFile) -> CompiledRule:
    defaults, intervals = file.defaults, file.time_intervals
    mute, active = rule.mute_time_intervals, rule.active_time_intervals
    mute = defaults.mute_time_intervals if mute is None else mute
    active = defaults.active_time_intervals if active is None else active
    routing = Routing(
        channels=rule.channels or defaults.channels,
        cooldown_ms=defaults.cooldown if rule.cooldown is None else rule.cooldown,
        escalation=[Step(after_ms=it.after, channels=it.channels) for it in rule.escalation],
        mute_time_intervals={name: intervals[name] for name in mute},
        active_time_intervals={name: intervals[name] for name in active},
    )
    labels = defaults.labels | rule.labels
    runbook = rule.runbook or defaults.runbook
    dashboard = rule.dashboard or defaults.dashboard
    kind = kind_for(rule)
    shown = (routing.model_dump(mode="json", exclude_defaults=True), labels, runbook, dashboard)
    return CompiledRule(
        rule,
        kind,
        measure_of(rule),
        condition_of(rule),
        appearance_of(rule, *shown),
        getattr(rule, "for_ms", 0) // MINUTE_MS,
        rule.keep_firing_for // MINUTE_MS,
        None if kind.has_levels else SEVERITIES.index(rule.severity),
        getattr(rule, "no_operations", "") == "keep_firing",
        labels,
        runbook,
        dashboard,
        routing,
    )


class RuleIndex:
    """The rules by the dimensions they name, and by a value they demand of one of these."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        """Index rules that are enabled."""
        self._by_names: dict[frozenset[str], dict[tuple[str, str] | None, list[_Entry]]] = {}
        for place, compiled in enumerate(rules):
            matchers = parse_matchers(compiled.rule.match) if compiled.rule.match else ()
            named = frozenset(compiled.rule.dimensions | {it.label for it in matchers})
            if compiled.kind.dimension is not None:
                named |= {DIMENSION}
                of = Matcher(label=DIMENSION, operator="=", value=compiled.kind.dimension)
                matchers = (*matchers, of)
            exact = next(((it.label, it.value) for it in matchers if it.operator == "="), None)
            entry = (place, compiled, matchers)
            self._by_names.setdefault(named, {}).setdefault(exact, []).append(entry)

    def select(self, series_kind: str, labels: Mapping[str, str]) -> tuple[CompiledRule, ...]:
        """Return the rules whose dimensions are a series' own and whose matchers hold.

        Args:
            series_kind: operations or service.
            labels: the series'.

        Returns:
            them in the file's order.
        """
        by_value = self._by_names.get(frozenset(labels), {})
        found = [
            (place, compiled)
            for demanded in (None, *labels.items())
            for place, compiled, matchers in by_value.get(demanded, ())
            if series_kind in compiled.kind.series_kinds and matches(matchers, labels)
        ]
        return tuple(compiled for _, compiled in sorted(found, key=lambda entry: entry[0]))


_Entry = tuple[int, CompiledRule, tuple[Matcher, ...]]
