"""Fold a block of scores into rows: for each dimension as operations are folded."""

from typing import NamedTuple

import numpy as np

from schemas.fields import SUMMED
from schemas.partials import PartialRow
from schemas.spans import MINUTE_MS
from streams.measure.blocks import Block
from streams.measure.columns import Columns, Ints
from streams.measure.fold import SecondLabel, fold
from streams.measure.merge import merge_configurations
from streams.measure.operation_reader import Events
from streams.quality.score_events import DimensionEvent, ScoreEvent
from streams.quality.score_series import MODEL, SCORE_DIMENSIONS, score_series_name

_SUMS = list(SUMMED)
#: Below a thousandth of the duration's unit, as columns_of has it.
_LOST_TIMES = SUMMED["duration_us"].times


class _NewScores(NamedTuple):
    scores: list[ScoreEvent]
    pairs: list[int]
    when_ms: Ints
    offsets: Ints


class ScoreBlock(Block):
    """A block of scores. What is read again is assessed again, so it is small."""

    MOST_OFFSETS = 1_000

    def __init__(self, start: int) -> None:
        """Begin at an offset."""
        super().__init__(start)
        self._models: dict[str, int] = {}
        self._new: list[_NewScores] = []
        """Those that are not in columns yet: they come one by one, and are folded together."""
        self._scores: dict[tuple[str, str], Columns] = {}
        """By dimension and configuration."""

    def _keep(self, events: Events, begin: int, until: int, pair_ids: list[int]) -> None:
        times = events.when_ms[begin:until], events.offset[begin:until]
        self._new.append(_NewScores(events.operations[begin:until], pair_ids, *times))

    def _add_new(self) -> None:
        """Add to the columns what came since the last fold."""
        if not self._new:
            return
        new, self._new = self._new, []
        scores = [score for part in new for score in part.scores]
        pairs = np.array([pair for part in new for pair in part.pairs], np.int64)
        when_ms = np.concatenate([part.when_ms for part in new])
        offsets = np.concatenate([part.offsets for part in new])
        models = np.array(
            [self._models.setdefault(it.model, len(self._models)) for it in scores], np.int64
        )
        by_configuration: dict[str, list[int]] = {}
        for place, score in enumerate(scores):
            by_configuration.setdefault(score.configuration, []).append(place)
        for configuration, of_configuration in by_configuration.items():
            for number, dimension in enumerate(SCORE_DIMENSIONS):
                places = [at for at in of_configuration if scores[at].dimensions[number]]
                if not places:
                    continue
                columns = _columns_of(
                    [scores[at].dimensions[number] for at in places],  # type: ignore[misc]
                    [scores[at].id for at in places],
                    pairs[places],
                    models[places],
                    when_ms[places],
                    offsets[places],
                )
                before = self._scores.get((dimension, configuration))
                self._scores[dimension, configuration] = (
                    columns if before is None else Columns.joined([before, columns])
                )

    def fold(self, after: int) -> list[PartialRow]:
        """Return the rows that scores past the offset `after` touched, over the whole block."""
        self._add_new()
        rows: list[PartialRow] = []
        for dimension in SCORE_DIMENSIONS:
            parts = {
                configuration: columns
                for (of, configuration), columns in self._scores.items()
                if of == dimension
            }
            if parts:
                rows += self._rows(dimension, parts, after)
        return rows

    def _rows(self, dimension: str, parts: dict[str, Columns], after: int) -> list[PartialRow]:
        every = tuple(parts)
        columns = Columns.joined(list(parts.values()))
        if columns.offset.max() <= after:
            return []
        pairs, second = list(self._pairs), SecondLabel(MODEL, list(self._models))
        seen: dict[tuple[str, int], list[tuple[str, ...]]] = {}
        if len(parts) > 1:
            for configuration, of_configuration in parts.items():
                for row in fold(of_configuration, pairs, -1, second):
                    seen.setdefault(row[:2], []).append((configuration,))
        return [
            PartialRow(
                score_series_name(dimension, row.series),
                row.minute,
                row.last_offset,
                row.stats._replace(configurations=merge_configurations(seen.get(row[:2], [every]))),
            )
            for row in fold(columns, pairs, after, second)
        ]


def _columns_of(
    scores: list[DimensionEvent],
    ids: list[str],
    pairs: Ints,
    models: Ints,
    when_ms: Ints,
    offsets: Ints,
) -> Columns:
    """Return one dimension's scores as columns; see streams/quality/score_events.py."""
    lost = np.array([score.lost for score in scores], np.float64)
    good = np.array([score.is_good for score in scores], np.bool_)
    acceptable = np.array([score.is_acceptable for score in scores], np.bool_)
    sums = np.zeros((len(scores), len(_SUMS)), np.int64)
    for name, added in (
        ("count", 1),
        ("successes", good),
        ("duration_us", np.rint(lost * _LOST_TIMES)),
        ("hits", acceptable),
        ("misses", ~acceptable),
    ):
        sums[:, _SUMS.index(name)] = added
    return Columns(
        pairs,
        models,
        when_ms // MINUTE_MS,
        offsets,
        ~good,
        lost,
        sums,
        ids,
        [[score.fault or None for score in scores]],
    )
