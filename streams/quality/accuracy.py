"""Score the accuracy of an analysis by its required fields."""

from schemas.analyses import Analysis
from schemas.quality_scores import Finding
from streams.quality.assessor import Assessed, Context, assessed


class Accuracy:
    """Assesses whether an analysis is right, as far as its input, facts and labels say."""

    name = dimension = "accuracy"
    version = 1
    heavy = False

    def assess(self, analysis: Analysis, context: Context) -> Assessed | None:
        """Return the score of the dimension; None where there is nothing to judge."""
        expected = context.config.expected_of(analysis.operation, analysis.platform)
        fields = analysis.result.fields
        return assessed(
            [
                Finding(
                    code="missing_field",
                    dimension="accuracy",
                    message=f"{name} is missing",
                    cost=0.5,
                    field=name,
                )
                for name in expected.required
                if fields.get(name) is None
            ]
        )
