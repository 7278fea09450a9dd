"""Make what is published of an analysis and its score."""

import msgspec

from schemas.analyses import Analysis

#: What readers of JSON do not agree on.
_NO_NUMBERS = (b"NaN", b"Infinity")


def scored_value(value: bytes, analysis: Analysis | msgspec.Struct, quality: bytes | None) -> bytes:
    """Return a schemas.quality_scores.ScoredAnalysis.

    Args:
        value: the analysis as it stands in its record: what its schema does not know goes along.
        analysis: the same, read.
        quality: its score, in JSON; None where it follows.
    """
    # The fast reader refuses such numbers.
    if isinstance(analysis, Analysis) and any(word in value for word in _NO_NUMBERS):
        value = analysis.model_dump_json().encode()
    return b'{"version":1,"analysis":' + value + b',"quality":' + (quality or b"null") + b"}"
