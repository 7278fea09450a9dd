"""Write and read the name of a series of scores: `overall:parse{platform="lever"}`."""

import re
from functools import lru_cache
from typing import Any, get_args

from schemas.aggregates import QualitySeries
from schemas.quality_scores import ScoreDimension
from streams.measure.series import ALL, series_name

SCORE_DIMENSIONS: tuple[ScoreDimension, ...] = get_args(ScoreDimension)
MODEL = "model"
#: The series that are always admitted: of all operations, by dimension.
SCORE_TOTALS = frozenset(f"{dimension}:{ALL}" for dimension in SCORE_DIMENSIONS)
#: Has a row of every score.
ALL_SCORES = f"overall:{ALL}"

_NAME = re.compile(
    rf"(?s)({'|'.join(SCORE_DIMENSIONS)}):"
    r'(.*?)(?:\{(?:(platform|model)="((?:[^"\\]|\\.)*)")?\})?'
)


def score_series_name(dimension: str, series: str) -> str:
    """Return the name of a dimension's series, by that of the series without it."""
    return f"{dimension}:{series}"


def parse_score_series(name: str) -> QualitySeries:
    """Return the series of scores that a name stands for.

    Raises:
        ValueError: it stands for none.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        message = f"{name!r} is no series of scores"
        raise ValueError(message)
    dimension, operation, label, value = match.groups()
    labels: dict[str, Any] = {label: re.sub(r"\\(.)", r"\1", value)} if label else {}
    return QualitySeries.model_validate({"dimension": dimension, "operation": operation, **labels})


@lru_cache(maxsize=65_536)
def is_score_series(name: str) -> bool:
    """Return whether a name stands for a series of scores."""
    return _NAME.fullmatch(name) is not None


def score_overflow_of(name: str, overflow: str) -> str:
    """Return the series that counts what another one may not: each dimension has its own."""
    series = parse_score_series(name)
    operation = ALL if series.operation == ALL else overflow
    label = "platform" if series.platform is not None else MODEL if series.model else None
    return score_series_name(series.dimension, series_name(operation, label, overflow))
