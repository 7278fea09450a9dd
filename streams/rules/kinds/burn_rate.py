"""Judge whether an objective's error budget burns too fast, over a long and a short window.

What was before a series' first window burnt nothing: a series of ten minutes says no more of three
days than an old one that was without a failure until then. Else two failures among the first
hundred operations would be a budget that burns over three days. So it is, for an objective of
latency, with what came before any rule had its bound.

Source: https://sre.google/workbook/alerting-on-slos/
"""

from schemas.numbers import plain
from schemas.rule_kinds import BurnRate
from schemas.rules import SEVERITIES
from schemas.spans import MINUTE_MS, as_text
from streams.rules.firing import NO_SEVERITY, Verdict
from streams.rules.formatting import counted, figure
from streams.rules.history import History
from streams.rules.kind_protocol import Evidence, Kind, Measured
from streams.rules.needed_windows import needs_of


class BurnRateKind(Kind[BurnRate]):
    """A rule of the kind burn_rate."""

    measured = Measured("burn_rate", "greater_than_or_equal", "x")
    has_levels = True

    def __init__(self, rule: BurnRate) -> None:
        """Prepare to judge by a rule."""
        super().__init__(rule)
        self._spans_ms = sorted({span for it in rule.pairs for span in (it.long, it.short)})
        self.lookback_ms = self._spans_ms[-1]
        needs = needs_of(*(span_ms // MINUTE_MS for span_ms in self._spans_ms))
        self.needs = needs._replace(bounds=frozenset([rule.below] if rule.below else []))
        below = "" if rule.below is None else f" under {as_text(rule.below)}"
        self._objective = f"{plain(rule.objective)} %{below}"
        levels = {pair.severity for pair in rule.pairs}
        self.severities = tuple(sorted(levels, key=SEVERITIES.index))

    def judge(self, history: History, minute: int) -> Verdict:
        """Return the verdict by the gravest pair that burns, else by the one nearest to it."""
        best: Verdict | None = None
        most = 0
        for pair in self.rule.pairs:
            burn, samples = self._burn(history, pair.long, minute)
            most = max(most, samples)
            short, _ = self._burn(history, pair.short, minute)
            if burn is None or short is None or samples < self.rule.min_samples:
                continue
            burns = burn >= pair.rate and short >= pair.rate
            severity = SEVERITIES.index(pair.severity) if burns else NO_SEVERITY
            span = pair.long // MINUTE_MS
            verdict = Verdict(severity, burns, True, burn, samples, pair.rate, span)
            if best is None or _rank(verdict) > _rank(best):
                best = verdict
        if best is None:
            pair = self.rule.pairs[0]
            span = pair.long // MINUTE_MS
            return Verdict(NO_SEVERITY, False, False, None, most, pair.rate, span)
        return best

    def _burn(self, history: History, span_ms: int, minute: int) -> tuple[float | None, int]:
        """Return how many times too fast the budget burns, and of how many operations."""
        span = span_ms // MINUTE_MS
        sums = history.sums(span, minute)
        if not sums.count:
            return None, 0
        covered = min(1.0, history.age(minute) / span)
        below, budget = self.rule.below, 100 - self.rule.objective
        bad = sums.failures if below is None else history.slow(span, minute, below)
        return 100 * bad / sums.count / budget * covered, sums.count

    def evidence(self, history: History, minute: int) -> Evidence:
        """Return the burn rate over each window there is."""
        figures: Evidence = {"objective": self.rule.objective}
        if self.rule.below is not None:
            figures["below_ms"] = self.rule.below
        for span_ms in self._spans_ms:
            burn, _ = self._burn(history, span_ms, minute)
            figures[f"burn_{as_text(span_ms)}"] = None if burn is None else round(burn, 3)
        return figures

    def sentence(self, series: str, verdict: Verdict, evidence: Evidence) -> str:
        """Return how fast the budget burns."""
        span = as_text(verdict.span * MINUTE_MS)
        operations = counted(verdict.samples, self.samples_of)
        if verdict.observed is None:
            few = f"too few {self.samples_of} to tell its burn rate"
            return f"{series}: {few} over {span}, {operations}"
        return (
            f"{series} burns the error budget of {self._objective}"
            f" {figure(verdict.observed)} times too fast"
            f" (≥ {plain(verdict.threshold or 0)}) over {span}, {operations}"
        )

    def condition(self) -> str:
        """Return the objective and the pairs."""
        pairs = (
            f"{plain(it.rate)}× {as_text(it.long)}/{as_text(it.short)}" for it in self.rule.pairs
        )
        objective = self._objective.replace(" %", "%")
        if self.rule.below is None:
            of = "success" if self.dimension is None else f"good {self.dimension} quality"
            objective = f"{of} {objective}"
        return f"{objective} burns " + ", ".join(pairs)


def _rank(verdict: Verdict) -> tuple[int, float]:
    assert verdict.observed is not None
    assert verdict.threshold is not None
    return verdict.severity, verdict.observed / verdict.threshold
