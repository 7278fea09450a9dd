"""Bring a series' rules to another version of the rule file: what goes on, and what ends."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.breaches import Why
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE, NO_SEVERITY, FiringState, Verdict
from streams.rules.history import History
from streams.rules.reporter import Reporter, RuleOnSeries
from streams.rules.series_state import OpenBreach, RuleState, SeriesState


class RuleChange(NamedTuple):
    """A rule that is another version of the one before, and has a breach open."""

    name: str
    is_condition: bool
    """Whether something else decides now; else it only shows something else."""


class Adopted(NamedTuple):
    """What came of another rule file for a series."""

    changes: list[RuleChange]
    is_changed: bool
    """Whether the series' state changed at all."""


def adopt(state: SeriesState, rules: Sequence[CompiledRule], reporter: Reporter) -> Adopted:
    """Make a series' rules these; end what was open by those that are gone or are others now."""
    changes: list[RuleChange] = []
    is_changed = False
    wanted = {compiled.rule.name: compiled for compiled in rules}
    for name, rule_state in state.rules.items():
        rule = wanted.get(name)
        if rule is None or rule.measure != rule_state.measure:
            is_changed |= bool(rule_state.condition)
            why: Why = "rule_removed" if rule is None else "rule_changed"
            reporter.end_by_the_file(rule_state, why)
            rule_state.firing, rule_state.condition = IDLE, ""
        if rule is not None:
            change = _change(name, rule_state, rule)
            is_changed |= change is not None
            if change is not None and rule_state.breach is not None:
                changes.append(change)
    for name, rule in wanted.items():
        if name not in state.rules:
            is_changed = True
            state.rules[name] = RuleState(
                rule.condition, rule.appearance, rule.measure, state.settled
            )
    return Adopted(changes, is_changed)


def _change(name: str, state: RuleState, rule: CompiledRule) -> RuleChange | None:
    """Bring a rule's state to this version of it; return what changed, None if nothing did."""
    before = state.condition, state.appearance, state.measure
    now = rule.condition, rule.appearance, rule.measure
    if before == now:
        return None
    state.condition, state.appearance, state.measure = now
    is_condition = before[0] != now[0]
    if is_condition:
        state.firing = IDLE
    elif rule.level is not None:
        state.firing = _levelled(state.firing, rule.level)
        if state.breach is not None:
            state.breach.severity = rule.level
    return RuleChange(name, is_condition)


def go_on(
    changes: Sequence[RuleChange],
    pairs: Sequence[RuleOnSeries],
    history: History,
    minutes: Sequence[int],
    reporter: Reporter,
) -> None:
    """Go on with what is open by rules that were changed, or end it by the new condition.

    Args:
        changes: of the rules.
        pairs: the rules on the series.
        history: the series'.
        minutes: by which the new conditions are judged, the newest first.
        reporter: of the series.
    """
    by_name = {change.name: change for change in changes}
    for pair in pairs:
        breach, change = pair.state.breach, by_name.get(pair.rule.rule.name)
        if change is None or breach is None:
            continue
        verdicts: list[tuple[int, Verdict]] = []
        if change.is_condition:
            found = ((at, pair.rule.verdict(history, at)) for at in minutes)
            verdicts = [(at, verdict) for at, verdict in found if verdict is not None]
        bad = next(((at, it) for at, it in verdicts if it.severity >= 0 or it.holds), None)
        if verdicts and bad is None:
            reporter.resolve(pair, "rule_changed", *verdicts[0])
            pair.state.firing = IDLE
            continue
        if change.is_condition:
            level = bad[1].severity if bad is not None else NO_SEVERITY
            pair.state.firing = _firing_on(breach, level, pair.rule)
            breach.severity = pair.state.firing.severity
        if bad is not None:
            reporter.update(pair, "rule_changed", *bad)
        else:
            reporter.change(pair)


def _firing_on(breach: OpenBreach, level: int, rule: CompiledRule) -> FiringState:
    """Return the firing of a breach that opened by a former condition and holds by this one.

    Args:
        breach: the open breach.
        level: the severity by the new condition, -1 if it only holds, or nobody can tell.
        rule: the rule.
    """
    if level < 0:
        level = breach.severity if rule.level is None else rule.level
    return _levelled(FiringState((breach.since,), level, breach.since, breach.opened), level)


def _levelled(firing: FiringState, level: int) -> FiringState:
    """Return the firing of a rule of one severity with another one."""
    if firing == IDLE:
        return IDLE
    first = firing.since[0]
    since = tuple(first if severity <= level else 0 for severity in range(len(IDLE.since)))
    return firing._replace(since=since, severity=level if firing.severity >= 0 else firing.severity)
