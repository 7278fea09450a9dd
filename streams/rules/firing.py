"""FiringState a rule's verdicts, minute after minute, into whether it fires.

    for: 2m, keep_firing_for: 2m
    minute    0  1  2  3  4  5  6  7  8
    violated  .  x  x  x  x  .  x  .  .  .
    fires              ^ since 1             gone at 7, resolves at 9

Each severity counts on its own, so that what is `for` long past the mild threshold and just past
the grave one is mild.
"""

from typing import NamedTuple

from schemas.rules import SEVERITIES
from streams.rules.verdict import NO_SEVERITY, Verdict

_NEVER = 0


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

    @property
    def is_steady(self) -> bool:
        """Whether it fires, and more of the same verdicts change nothing."""
        graver = self.since[self.severity + 1 :]
        return self.severity >= 0 and not (self.gone or self.milder or any(graver))


IDLE = FiringState()


def step(
    fold: FiringState, verdict: Verdict | None, minute: int, hold: int, keep: int
) -> FiringState:
    """Return the fold with one more minute in it.

    Args:
        fold: up to the minute before.
        verdict: None: nothing is known of the minute, all stays.
        minute: since the epoch.
        hold: fire after so many minutes in a row.
        keep: resolve, or become milder, after so many minutes without.
    """
    if verdict is None or (verdict.severity < 0 and fold is IDLE):
        return fold
    level = verdict.severity
    since = tuple(
        (began or minute) if level >= severity else _NEVER
        for severity, began in enumerate(fold.since)
    )
    held = NO_SEVERITY
    for severity, began in enumerate(since):
        if began and minute - began >= hold:
            held = severity
    if fold.severity < 0:
        if held < 0:
            return IDLE if level < 0 else fold._replace(since=since)
        return FiringState(since, held, since[0], minute)
    if level < 0 and not verdict.holds:
        gone = fold.gone or minute
        return IDLE if minute - gone >= keep else fold._replace(since=since, gone=gone)
    return _still(fold._replace(since=since, gone=_NEVER), level, held, minute, keep)


def _still(fold: FiringState, level: int, held: int, minute: int, keep: int) -> FiringState:
    """Return the fold of what goes on to fire, perhaps with another severity."""
    if held > fold.severity:
        return fold._replace(severity=held, milder=_NEVER)
    if not 0 <= level < fold.severity:
        return fold._replace(milder=_NEVER)
    milder = fold.milder or minute
    if minute - milder >= keep:
        return fold._replace(severity=level, milder=_NEVER)
    return fold._replace(milder=milder)
