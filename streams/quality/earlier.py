"""Keep of an analysis what later ones of the same input are compared with."""

from schemas.analyses import Analysis
from streams.quality.assessor import EarlierResult

MAX_FIELDS = 20
MAX_VALUE = 80


def earlier_of(analysis: Analysis, offset: int) -> EarlierResult | None:
    """Return the result in short; None of a cached answer, which is no evidence."""
    if analysis.cached is not None:
        return None
    result = analysis.result
    fields = {
        name: str(value)[:MAX_VALUE]
        for name, value in list(result.fields.items())[:MAX_FIELDS]
        if isinstance(value, str | int | float) and str(value).strip()
    }
    return EarlierResult(offset, analysis.id, result.label, result.score, fields)
