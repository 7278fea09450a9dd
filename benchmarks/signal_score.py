"""Compare openings with failures: precision, recall, delay, false breaches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.signal_replay import Opening
from benchmarks.signal_traffic import Scenario

MINUTE_MS = 60_000


@dataclass(kw_only=True)
class Score:
    """The score of a rule over all scenarios."""

    rule: str
    after: int
    """For how many minutes after its end a failure still is in the windows of the rule."""
    found: dict[str, list[float]] = field(default_factory=dict)
    """By shape, the delay of each failure that was found, in minutes of event time."""
    wrong: dict[str, int] = field(default_factory=dict)
    """By shape, how many failures there were."""
    false: dict[str, int] = field(default_factory=dict)
    """By scenario, how many openings without a failure."""
    again: int = 0
    """Openings of a failure that was found before: flapping."""

    def take(self, scenario: Scenario, openings: Sequence[Opening]) -> None:
        """Add the openings of a scenario, in order."""
        delays = self.found.setdefault(scenario.name, [])
        self.wrong[scenario.name] = len(scenario.incidents)
        self.false.setdefault(scenario.name, 0)
        matched = set()
        for opening in (opening for opening in openings if opening.rule == self.rule):
            at = opening.at_ms / MINUTE_MS
            of = next(
                (
                    incident
                    for incident in scenario.incidents
                    if incident.platform == opening.platform
                    and incident.start <= at <= incident.end + self.after
                ),
                None,
            )
            if of is None:
                self.false[scenario.name] += 1
            elif of in matched:
                self.again += 1
            else:
                matched.add(of)
                delays.append(at - of.start)

    def recall(self, shapes: Sequence[str]) -> float:
        """Return the share of these failures that was found."""
        return sum(len(self.found[s]) for s in shapes) / sum(self.wrong[s] for s in shapes)

    @property
    def precision(self) -> float | None:
        """The share of openings that were of a failure; None without any."""
        right = sum(map(len, self.found.values())) + self.again
        total = right + sum(self.false.values())
        return right / total if total else None

    def delay(self, shapes: Sequence[str], rank: float) -> float | None:
        """Return a quantile of the delays, in minutes; None if nothing was found."""
        delays = [delay for shape in shapes for delay in self.found[shape]]
        return float(np.quantile(delays, rank)) if delays else None
