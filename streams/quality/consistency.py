"""Score the consistency of an analysis by the labels of earlier ones."""

from schemas.analyses import Analysis
from schemas.quality_scores import Finding
from streams.quality.assessor import Assessed, Context, assessed


class Consistency:
    """Assesses whether an analysis agrees with itself, and with earlier ones of its input."""

    name = dimension = "consistency"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:
        """Return the score of the dimension; None where there is nothing to judge."""
        if analysis.cached is not None or not context.earlier:
            return None
        labels = {it.label for it in context.earlier}
        if analysis.result.label in labels:
            return assessed([])
        message = f"it says {analysis.result.label}, earlier ones {labels}"
        return assessed(
            [Finding(code="changed_label", dimension="consistency", message=message, cost=0.6)]
        )
