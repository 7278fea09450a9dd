"""Score the consistency of an analysis: with earlier ones of its input, and with itself.

Each finding takes its cost of what is left of 1:

| finding | cost |
|---|---|
| `changed_label`: the same input had another label | 0.7 times the share of earlier ones that had |
| `changed_score`: further from the median than the tolerance | 0.1, up to 0.5 at 0.4 beyond it |
| `changed_field`: the last one had another value | 0.35 |
| `lost_field`: null, where the last one had a value | 0.2 |
| `label_contradicts_score`: outside of its label's range | 0.3, up to 0.7 at 0.35 outside |
| `factors_contradict_score`: three quarters of their weight are for the other side | 0.4 to 0.65 |
| `confidence_contradicts_fields`: sure of the whole and not of its fields, or the reverse | 0.35 |
| `evidence_contradicts_field`: null, and a quote supports it | 0.2 |

A cached answer is no evidence: it is not compared with earlier ones, nor they with it; what it
contradicts in itself counts against it, and nothing counts for it. An analysis that repeats a bad
one is not compared with that.
"""

from schemas.analyses import Analysis
from streams.quality.assessor import Assessed, Context, assessed
from streams.quality.contradictions import can_contradict, contradictions
from streams.quality.earlier import changes, comparable


class Consistency:
    """Assesses whether an analysis agrees with itself, and with earlier ones of its input."""

    name = dimension = "consistency"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:
        """Return the score of the dimension; None where there is nothing to judge."""
        expected = context.config.expected_of(analysis.operation, analysis.platform)
        findings = contradictions(analysis, expected)
        if analysis.cached is not None:
            return assessed(findings) if findings else None
        limits = context.config.consistency
        earlier = comparable(analysis, context.earlier)[-limits.earlier :]
        if earlier:
            findings += changes(analysis, earlier, limits.score_tolerance)
        elif not can_contradict(analysis, expected):
            return None
        return assessed(findings)
