"""Score the performance of an analysis: duration, attempts and tokens against targets.

Each of the three leaves a share of the score; the shares are multiplied:

- duration: 1 up to the target, then down with the logarithm to 0 at the limit.
- tokens: the same, but at most half is lost.
- attempts: an attempt beyond the target takes 0.2, six tenths at most.
"""

from math import log

from schemas.analyses import Analysis
from schemas.numbers import plain
from schemas.quality_scores import Finding
from streams.quality.assessor import Assessed, Context, assessed

_ATTEMPT_COST = 0.2
_MOST_ATTEMPT_COST = 0.6
_MOST_TOKEN_COST = 0.5


class Performance:
    """Assesses how fast and thrifty an analysis was."""

    name = dimension = "performance"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed:
        """Return the score of the dimension."""
        targets = context.config.expected_of(analysis.operation, analysis.platform).targets
        findings: list[Finding] = []
        cost = _excess(analysis.duration_ms, targets.duration, targets.duration_limit)
        if cost > 0:
            message = (
                f"it took {analysis.duration_ms / 1000:,.1f} s,"
                f" {analysis.duration_ms / targets.duration:.1f} times the target of"
                f" {plain(targets.duration / 1000)} s"
            )
            findings.append(_finding("slow", message, cost))
        tokens = analysis.tokens or 0
        cost = _MOST_TOKEN_COST * _excess(tokens, targets.tokens, targets.tokens_limit)
        if cost > 0:
            message = f"it used {tokens:,} tokens: the target is {targets.tokens:,}"
            findings.append(_finding("many_tokens", message, cost))
        more = analysis.attempt - targets.attempts
        if more > 0:
            message = f"it took {analysis.attempt} attempts: the target is {targets.attempts}"
            cost = min(_ATTEMPT_COST * more, _MOST_ATTEMPT_COST)
            findings.append(_finding("many_attempts", message, cost))
        return assessed(findings)


def _excess(figure: float, target: float, limit: float) -> float:
    """Return 0 up to the target and 1 from the limit on; between them the logarithm counts."""
    if figure <= target:
        return 0.0
    return min(log(figure / target) / log(limit / target), 1.0)


def _finding(code: str, message: str, cost: float) -> Finding:
    return Finding(code=code, dimension="performance", message=message, cost=cost)
