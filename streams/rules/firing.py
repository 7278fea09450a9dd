"""Fold a rule's verdicts, minute after minute, into whether it fires.

    for: 2m, keep_firing_for: 2m
    minute    0  1  2  3  4  5  6  7  8
    violated  .  x  x  x  x  .  x  .  .  .
    fires              ^ since 1             gone at 7, resolves at 9

Each severity counts by itself, so that what is `for` long past the mild threshold and just past
the grave one is mild.
"""

from typing import NamedTuple

from schemas.rules import SEVERITIES

NO_SEVERITY = -1
#: After this many minutes in a row without enough samples, a rule has no verdict any more.
LAPSE = 5
_NEVER = 0


class Verdict(NamedTuple):
    """What a rule finds in a trailing span that ends with a minute."""

    severity: int
    """The gravest severity whose condition holds, as an index into SEVERITIES; -1: none."""
    holds: bool
    """Whether an open breach stays open: it is not back past the threshold to resolve at."""
    enough: bool
    """Whether there was enough to judge by."""
    observed: float | None
    samples: int
    threshold: float | None
    """Of the severity; without any, of the mildest."""
    span: int
    """How many minutes were judged."""


class FiringState(NamedTuple):
    """What the minutes up to one come to; minutes since the epoch, 0 for none."""

    since: tuple[int, ...] = (_NEVER,) * len(SEVERITIES)
    """By severity, the first minute of those in a row that were as grave."""
    severity: int = NO_SEVERITY
    """What it fires with, as an index into SEVERITIES; -1: it does not."""
    began: int = _NEVER
    """The first violating minute, while it fires."""
    opened: int = _NEVER
    """The minute it began to fire."""
    gone: int = _NEVER
    """The first minute in a row with the condition gone, while it fires."""
    milder: int = _NEVER
    """The first minute in a row less grave than what it fires with."""


IDLE = FiringState()


def step(state: FiringState, verdict: Verdict, minute: int, wait: int, linger: int) -> FiringState:
    """Return the state with one more minute in it.

    Args:
        state: up to the minute before.
        verdict: on the minute.
        minute: since the epoch.
        wait: fire after this many minutes in a row (`for`).
        linger: resolve, or become milder, after this many minutes without (`keep_firing_for`).
    """
    level = verdict.severity
    if level < 0 and state is IDLE:
        return state
    since = tuple(
        (began or minute) if level >= severity else _NEVER
        for severity, began in enumerate(state.since)
    )
    reached = NO_SEVERITY
    for severity, began in enumerate(since):
        if began and minute - began >= wait:
            reached = severity
    if state.severity < 0:
        if reached < 0:
            return IDLE if level < 0 else state._replace(since=since)
        return FiringState(since, reached, since[0], minute)
    if level < 0 and not verdict.holds:
        gone = state.gone or minute
        return IDLE if minute - gone >= linger else state._replace(since=since, gone=gone)
    return _going_on(state._replace(since=since, gone=_NEVER), level, reached, minute, linger)


def _going_on(
    state: FiringState, level: int, reached: int, minute: int, linger: int
) -> FiringState:
    """Return the state of what goes on to fire, perhaps with another severity."""
    if reached > state.severity:
        return state._replace(severity=reached, milder=_NEVER)
    if not 0 <= level < state.severity:
        return state._replace(milder=_NEVER)
    milder = state.milder or minute
    if minute - milder >= linger:
        return state._replace(severity=level, milder=_NEVER)
    return state._replace(milder=milder)
