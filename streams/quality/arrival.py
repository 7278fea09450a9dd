"""Note an analysis that comes in its input's row, and say what assessors know beside it."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from schemas.analyses import Analysis
from schemas.quality_config import QualityConfig
from streams.quality.assessor import EarlierResult, Truth
from streams.quality.earlier import earlier_of
from streams.quality.input_state import InputState
from streams.quality.labels import counting
from streams.quality.remedies import Place, note_repeat


class PriorKnowledge(NamedTuple):
    """What was known of an input when its analysis came."""

    earlier: tuple[EarlierResult, ...]
    labels: Mapping[str, Truth]


def arrive(
    state: InputState, analysis: Analysis, place: Place, config: QualityConfig
) -> PriorKnowledge:
    """Note an analysis in its input's row; return what was known before it.

    The same analysis, read again, finds the same, also where later ones are in the row already.
    """
    history, most = state.history(analysis), config.consistency.earlier
    earlier = history.earlier(place.offset, analysis.id)
    result = earlier_of(analysis, place.offset)
    if result is not None:
        history.note(result, most)
    labels = {
        about: Truth(json.loads(truth.truth), truth.verified)
        for about, truth in counting(state.truths_before(place.offset)).items()
    }
    state.note_analysis(analysis.id, place.offset)
    note_repeat(history, analysis, place)
    return PriorKnowledge(earlier[-most:], labels)
