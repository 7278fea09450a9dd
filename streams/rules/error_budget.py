"""Say how an objective was met over a span, and how much of its error budget is left.

As Sloth and Pyrra define it, by operations: what is left is 1 - (bad / all) / (1 - objective). It
is negative where more was bad than the objective allows.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from schemas.rule_file import RuleFile
from schemas.rule_kinds import BurnRate
from streams.rules.compiled import RuleIndex, compile_rules


class ErrorBudget(NamedTuple):
    """What an objective allowed over a span, and what was bad."""

    objective: float
    """The share of good operations aimed at, in per cent."""
    operations: int
    bad: int

    @property
    def allowed(self) -> float:
        """How many operations may be bad; of 99.9 %, 30 of 30,000 to the last digit."""
        return float((100 - Decimal(str(self.objective))) * self.operations / 100)

    @property
    def compliance(self) -> float:
        """The share of good operations, in per cent."""
        return 100 * (self.operations - self.bad) / self.operations

    @property
    def is_met(self) -> bool:
        """Whether no more was bad than may be."""
        return self.bad <= self.allowed

    @property
    def burn_rate(self) -> float:
        """How many times as fast as allowed the budget was spent; 1 spends it exactly."""
        return self.bad / self.allowed

    @property
    def left(self) -> float:
        """How much of the budget is left, in per cent of it."""
        return 100 - 100 * self.burn_rate


class Objectives:
    """The objectives of a rule file: of its rules of kind burn_rate that are enabled."""

    def __init__(self, file: RuleFile) -> None:
        """Read the rules."""
        self.rules: dict[str, BurnRate] = {}
        compiled = []
        for it in compile_rules(file):
            if isinstance(it.rule, BurnRate):
                self.rules[it.rule.name] = it.rule
                compiled.append(it)
        self._index = RuleIndex(compiled)
        self._series_kinds = {kind for it in compiled for kind in it.kind.series_kinds}

    def of(self, series_kind: str, labels: Mapping[str, str]) -> list[BurnRate]:
        """Return the rules with an objective for a series, by its kind and its labels."""
        return [self.rules[it.rule.name] for it in self._index.select(series_kind, labels)]

    @property
    def bounds_ms(self) -> list[int]:
        """The durations that a good operation must be below, of the rules that have one."""
        return sorted({rule.below for rule in self.rules.values() if rule.below is not None})

    def are_about(self, series_kind: str) -> bool:
        """Return whether there is one for series of a kind: operations or quality."""
        return series_kind in self._series_kinds
