"""Read scores: of one analysis, or the worst of a span; and how well they meet the truth."""

import heapq
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agents.kafka.reader import Show, topic_reader
from agents.runtime.settings import Settings
from schemas.calibration import CalibrationAggregate
from schemas.quality_scores import QualityScore
from schemas.topics import AGGREGATES, QUALITY_SCORES

#: Times as many as asked for are remembered: a later record may say that one is not so bad.
_SPARE = 16
#: The keys of calibration windows begin so.
_CALIBRATION = b"calibration{"


class AnalysisScores:
    """The score of an analysis, and of those that repeat it."""

    def __init__(self, analysis: str) -> None:
        """Know nothing yet."""
        self.analysis = analysis
        self.score: QualityScore | None = None
        self.repeats: dict[str, QualityScore] = {}

    def add(self, score: QualityScore) -> None:
        """Add a record; of two of an analysis the later one counts."""
        if score.analysis == self.analysis:
            self.score = score
        elif score.remediates == self.analysis:
            self.repeats[score.analysis] = score


class WorstScores:
    """The worst results by their overall score, in bounded memory."""

    def __init__(self, limit: int) -> None:
        """Remember `limit` results, and those that may take their place."""
        self.count = 0
        self.unscored = 0
        self._limit = limit
        self._scores: dict[str, QualityScore] = {}

    def add(self, score: QualityScore) -> None:
        """Add a record; of two of an analysis the later one counts."""
        self.count += 1
        if score.overall is None:
            self.unscored += 1
            self._scores.pop(score.analysis, None)
            return
        self._scores[score.analysis] = score
        if len(self._scores) > 2 * _SPARE * self._limit:
            worst = heapq.nsmallest(_SPARE * self._limit, self._scores.values(), key=_badness)
            self._scores = {it.analysis: it for it in worst}

    def worst(self) -> list[QualityScore]:
        """Return them, the worst first."""
        return heapq.nsmallest(self._limit, self._scores.values(), key=_badness)


async def read_analysis(
    settings: Settings, analysis: str, since_ms: int | None, show: Show
) -> AnalysisScores:
    """Return the score of an analysis and of what repeated it.

    Args:
        settings: where Kafka is.
        analysis: its id.
        since_ms: only records since then; None: all.
        show: shows how much is read.
    """
    found = AnalysisScores(analysis)
    key = analysis.encode("utf-8", "replace")
    async with topic_reader(settings, settings.topic(QUALITY_SCORES)) as topic:
        await topic.from_time(since_ms)
        async for record in topic.to_the_end(show):
            named = record.key == key or key in (record.value or b"")
            if named and (score := parse_score(record)):
                found.add(score)
    return found


async def read_worst(
    settings: Settings,
    since_ms: int | None,
    wanted: Mapping[str, str | None],
    limit: int,
    show: Show,
) -> WorstScores:
    """Return the worst results.

    Args:
        settings: where Kafka is.
        since_ms: only of analyses scored since then.
        wanted: what operation, platform, … must be; None: anything.
        limit: how many.
        show: shows how much is read.
    """
    found = WorstScores(limit)
    names = {name: value for name, value in wanted.items() if value is not None}
    async with topic_reader(settings, settings.topic(QUALITY_SCORES)) as topic:
        await topic.from_time(since_ms)
        async for record in topic.to_the_end(show):
            score = parse_score(record)
            if score and all(getattr(score, name) == value for name, value in names.items()):
                found.add(score)
    return found


async def read_calibration(
    settings: Settings, size: str, wanted: Mapping[str, str | None], show: Show
) -> list[CalibrationAggregate]:
    """Return the latest calibration window of each series.

    Args:
        settings: where Kafka is.
        size: the windows' size.
        wanted: what service, operation and model must be; None: anything.
        show: shows how much is read.
    """
    names = {name: value for name, value in wanted.items() if value is not None}
    latest: dict[tuple[str, str, str], CalibrationAggregate] = {}
    async with topic_reader(settings, settings.topic(AGGREGATES)) as topic:
        await topic.from_time(None)
        async for record in topic.to_the_end(show):
            if (record.key or b"").startswith(_CALIBRATION) and (found := _parse_window(record)):
                series = found.series
                place = series.service, series.operation, series.model
                before = latest.get(place)
                fits = all(getattr(series, name) == value for name, value in names.items())
                if (
                    found.window.size == size
                    and fits
                    and (before is None or _is_later(found, before))
                ):
                    latest[place] = found
    return [latest[place] for place in sorted(latest)]


def _is_later(found: CalibrationAggregate, before: CalibrationAggregate) -> bool:
    return (found.window.start_ms, found.revision) >= (before.window.start_ms, before.revision)


def _parse_window(record: Any) -> CalibrationAggregate | None:
    try:
        return CalibrationAggregate.model_validate_json(record.value or b"")
    except ValidationError:
        return None


def parse_score(record: Any) -> QualityScore | None:
    """Return the score that a record holds; None if it holds none that can be read."""
    if record.value is None:
        return None
    try:
        return QualityScore.model_validate_json(record.value)
    except ValidationError:
        return None


def _badness(score: QualityScore) -> tuple[float, int]:
    """Return what to sort by: the lowest score first, then the latest."""
    return (1.0 if score.overall is None else score.overall, -score.occurred_at)
