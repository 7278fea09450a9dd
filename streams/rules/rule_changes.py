"""Say what becomes of what a series had open when the rule file changed."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.rules.breach import removed
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE, FiringState
from streams.rules.series_state import OpenBreach, RuleState, SeriesState


class RuleChange(NamedTuple):
    """A rule that is another version of the one before."""

    name: str
    is_condition: bool
    """Whether something else decides now; else it only shows something else."""


class ReloadOutcome(NamedTuple):
    """What came of another rule file for a series."""

    said: list[bytes]
    """What ends what is gone."""
    changes: list[RuleChange]
    """Of rules that have something open, which goes on if it still holds."""
    is_changed: bool
    """Whether the row changed at all."""


NOTHING = ReloadOutcome([], [], False)


def reload(row: SeriesState, rules: Sequence[CompiledRule]) -> ReloadOutcome:
    """Make a row's rules these."""
    said: list[bytes] = []
    changes: list[RuleChange] = []
    is_changed = False
    wanted = {one.rule.name: one for one in rules}
    for name, state in row.rules.items():
        rule = wanted.get(name)
        if state.judged == 0:
            state.judged = row.settled
        if rule is None or (state.measure and rule.measure != state.measure):
            is_changed |= bool(state.condition)
            if state.episode is not None:
                state.episode.revision += 1
                said.append(
                    removed(state.episode, "rule_removed" if rule is None else "rule_changed")
                )
                row.said += 1
                state.episode = None
            state.fold, state.condition = IDLE, ""
        if rule is not None:
            change = _change(name, state, rule)
            is_changed |= change is not None
            if change is not None and state.episode is not None:
                changes.append(change)
    for name, rule in wanted.items():
        if name not in row.rules:
            is_changed = True
            row.rules[name] = RuleState(
                rule.condition, judged=row.settled, appearance=rule.appearance, measure=rule.measure
            )
    return ReloadOutcome(said, changes, is_changed)


def _change(name: str, state: RuleState, rule: CompiledRule) -> RuleChange | None:
    """Bring a rule's state to this version of it; return what is another, None if nothing is."""
    before = state.condition, state.appearance, state.measure
    now = rule.condition, rule.appearance, rule.measure
    if before == now:
        return None
    state.condition, state.appearance, state.measure = now
    is_condition = before[0] != now[0]
    if is_condition:
        state.fold = IDLE
    elif rule.level is not None:
        state.fold = _levelled(state.fold, rule.level)
        if state.episode is not None:
            state.episode.severity = rule.level
    return RuleChange(name, is_condition)


def going_on(episode: OpenBreach, level: int, rule: CompiledRule) -> FiringState:
    """Return the fold of what was open by a former condition and holds by this one.

    Args:
        episode: what is open.
        level: the severity by the new condition, -1 if it only holds, or nobody knows.
        rule: the rule.
    """
    if level < 0:
        level = episode.severity if rule.level is None else rule.level
    return _levelled(FiringState((episode.since,), level, episode.since, episode.opened), level)


def _levelled(fold: FiringState, level: int) -> FiringState:
    """Return the fold of a rule of one severity with another one."""
    if fold == IDLE:
        return IDLE
    since = tuple(fold.since[0] if severity <= level else 0 for severity in range(len(IDLE.since)))
    return fold._replace(since=since, severity=level if fold.severity >= 0 else fold.severity)
