"""Hold what opened against what was wrong: precision, recall, delay, false breaches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.signal_replay import Opening
from benchmarks.signal_traffic import Scenario

MINUTE_MS = 60_000


@dataclass(kw_only=True)
class Score:
    """One rule's, over all scenarios."""

    rule: str
    after: int
    """How many minutes past a failure's end an opening still is of it: its windows hold it."""
    found: dict[str, list[float]] = field(default_factory=dict)
    """By shape, the delay of each failure that was found, in minutes of event time."""
    wrong: dict[str, int] = field(default_factory=dict)
    """By shape, how many failures there were."""
    false: dict[str, int] = field(default_factory=dict)
    """By scenario, how many openings without one."""
    again: int = 0
    """Openings of a failure that had been told: flapping."""

    def take(self, scenario: Scenario, openings: Sequence[Opening]) -> None:
        """Take in what opened in a scenario, in order."""
        delays = self.found.setdefault(scenario.name, [])
        self.wrong[scenario.name] = len(scenario.incidents)
        self.false.setdefault(scenario.name, 0)
        told = set()
        for one in (each for each in openings if each.rule == self.rule):
            at = one.at_ms / MINUTE_MS
            of = next(
                (
                    it
                    for it in scenario.incidents
                    if it.platform == one.platform and it.start <= at <= it.end + self.after
                ),
                None,
            )
            if of is None:
                self.false[scenario.name] += 1
            elif of in told:
                self.again += 1
            else:
                told.add(of)
                delays.append(at - of.start)

    def recall(self, shapes: Sequence[str]) -> float:
        """Return the share of these failures that was found."""
        return sum(len(self.found[one]) for one in shapes) / sum(self.wrong[one] for one in shapes)

    @property
    def precision(self) -> float | None:
        """The share of openings that were of a failure; None without any."""
        right = sum(map(len, self.found.values())) + self.again
        total = right + sum(self.false.values())
        return right / total if total else None

    def delay(self, shapes: Sequence[str], rank: float) -> float | None:
        """Return a quantile of the delays, in minutes; None where nothing was found."""
        delays = [delay for one in shapes for delay in self.found[one]]
        return float(np.quantile(delays, rank)) if delays else None
