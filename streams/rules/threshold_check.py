"""Compare a metric with the thresholds of a rule: one of its own severity, or tiers."""

from schemas.numbers import plain
from schemas.rule_kinds import MetricRule
from schemas.rules import SEVERITIES
from schemas.spans import as_text
from streams.rules.firing import NO_SEVERITY, Verdict
from streams.rules.formatting import SIGNS, spaced
from streams.rules.metrics import is_past


class Limits:
    """The thresholds of a rule, mildest first."""

    def __init__(self, rule: MetricRule) -> None:
        """Read a rule's thresholds."""
        self._rule = rule
        self._thresholds = [tier.threshold for tier in rule.tiers]
        if rule.threshold is not None:
            self._thresholds.append(rule.threshold)
        self.severities = tuple(tier.severity for tier in rule.tiers) or (rule.severity,)
        levels = map(SEVERITIES.index, self.severities)
        self._levels = list(zip(levels, self._thresholds, strict=True))

    def verdict(self, observed: float, samples: int, span: int) -> Verdict:
        """Return the verdict on what was observed over this many minutes."""
        operator, resolve_threshold = self._rule.operator, self._rule.resolve_threshold
        reached, threshold = NO_SEVERITY, self._thresholds[0]
        for severity, limit in self._levels:
            if is_past(observed, limit, operator):
                reached, threshold = severity, limit
        holds = reached >= 0
        if resolve_threshold is not None and not holds:
            holds = is_past(observed, resolve_threshold, operator)
        return Verdict(reached, holds, True, observed, samples, threshold, span)

    def not_enough(self, samples: int, span: int) -> Verdict:
        """Return the verdict on too few samples over this many minutes."""
        return Verdict(NO_SEVERITY, False, False, None, samples, self._thresholds[0], span)

    def sentence(self, verdict: Verdict, unit: str) -> str:
        """Return the threshold that was passed, or was not."""
        limit = f"{SIGNS[self._rule.operator]} {plain(verdict.threshold or 0)}{spaced(unit)}"
        return f"not {limit}" if verdict.severity < 0 else limit

    def condition(self, unit: str) -> str:
        """Return the thresholds, the window and what else it takes."""
        rule, unit = self._rule, unit if unit == "%" else spaced(unit)
        listed = " / ".join(f"{plain(threshold)}{unit}" for threshold in self._thresholds)
        wait = f" for {as_text(rule.for_ms)}" if rule.for_ms else ""
        least = f", ≥ {rule.min_samples} samples" if rule.min_samples > 1 else ""
        return f"{SIGNS[rule.operator]} {listed} over {as_text(rule.window)}{wait}{least}"
