"""Make what is published of an analysis and its score."""

from schemas.analyses import Analysis
from schemas.quality_scores import QualityScore

#: What readers of JSON do not agree on.
_NO_NUMBERS = (b"NaN", b"Infinity")


def scored_value(value: bytes, analysis: Analysis, quality: QualityScore | None) -> bytes:
    """Return a schemas.quality_scores.ScoredAnalysis.

    Args:
        value: the analysis as it stands in its record: what its schema does not know goes along.
        analysis: the same, read.
        quality: its score; None where it follows.
    """
    if any(word in value for word in _NO_NUMBERS):
        value = analysis.model_dump_json().encode()
    score = b"null" if quality is None else quality.model_dump_json().encode()
    return b'{"version":1,"analysis":' + value + b',"quality":' + score + b"}"
