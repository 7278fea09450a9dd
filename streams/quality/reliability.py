"""Score the reliability of an analysis by what it reports of its way: the costs multiply.

- an attempt beyond the first takes 0.2, six tenths at most;
- a fallback takes 0.3;
- errors take 0.25 each, degraded dependencies 0.2, six tenths at most.
"""

from collections.abc import Sequence

from schemas.analyses import Analysis
from schemas.quality_scores import Finding
from streams.quality.assessor import Assessed, Context, assessed

_ATTEMPT_COST = 0.2
_FALLBACK_COST = 0.3
_ERROR_COST = 0.25
_DEGRADED_COST = 0.2
_MOST_COST = 0.6
_SHOWN = 3
_MAX_SHOWN_TEXT = 80


class Reliability:
    """Assesses whether an analysis went its normal way."""

    name = dimension = "reliability"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed:  # noqa: ARG002 - the protocol's
        """Return the score of the dimension."""
        findings: list[Finding] = []
        again = analysis.attempt - 1
        if again > 0:
            message = f"it succeeded only at attempt {analysis.attempt}"
            findings.append(_finding("retried", message, _ATTEMPT_COST * again))
        if analysis.fallback is not None and analysis.fallback.strip():
            message = f"it used the fallback {_cut(analysis.fallback)}"
            findings.append(_finding("fallback_used", message, _FALLBACK_COST))
        errors = [text for text in analysis.errors if text.strip()]
        if errors:
            message = f"{len(errors)} errors on the way: {_listed(errors)}"
            if len(errors) == 1:
                message = f"an error on the way: {_listed(errors)}"
            findings.append(_finding("errors_on_the_way", message, _ERROR_COST * len(errors)))
        degraded = [text for text in analysis.degraded if text.strip()]
        if degraded:
            message = f"slow or away were: {_listed(degraded)}"
            cost = _DEGRADED_COST * len(degraded)
            findings.append(_finding("degraded_dependency", message, cost))
        return assessed(findings)


def _finding(code: str, message: str, cost: float) -> Finding:
    cost = min(cost, _MOST_COST)
    return Finding(code=code, dimension="reliability", message=message, cost=cost)


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(_cut(text) for text in texts[:_SHOWN]) + more


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_TEXT else text[: _MAX_SHOWN_TEXT - 1] + "…"
