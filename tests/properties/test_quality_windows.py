"""Windows of scores say what an oracle says, however blocks are cut, read again and repeated."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.aggregates import AggregateRecord, QualityAggregate
from schemas.quality_scores import DIMENSIONS, DimensionScore, Finding, QualityScore
from streams.measure.operation_reader import Events
from streams.measure.window_times import SIZES, window_start
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.quality.score_block import ScoreBlock
from streams.quality.score_events import ScoredRecord, events_of
from tests.effort import examples
from tests.properties.worlds import FAR_MS, MONDAY_MS, Progress, Reading, Target, told_of

GOOD, ACCEPTABLE = 0.85, 0.7
SPANS_MS = [600_000, 7_200_000, 2 * 86_400_000]


class SmallBlock(ScoreBlock):
    MOST_OFFSETS = 6


class ScoreReading(Reading):
    new_block = SmallBlock

    def events(self, chunk: Sequence[Any]) -> Events:
        return events_of([ScoredRecord(*record) for record in chunk], GOOD, ACCEPTABLE)


class ScoreTarget(Target):
    kind = QUALITY_WINDOWS


def drawn_score(random: Random, number: int, when_ms: int) -> QualityScore:
    """Return a score: some dimensions are left out, some at the thresholds, some without."""
    dimensions = {}
    for dimension in DIMENSIONS:
        if random.random() < 0.8:
            score = random.choice([0.0, 0.7, 0.85, 1.0, random.random()])
            findings = [
                Finding(
                    code=f"code{random.randrange(3)}", dimension=dimension, message="-", cost=cost
                )
                for cost in random.sample([0.1, 0.2, 0.5], random.randrange(3))
            ]
            dimensions[dimension] = DimensionScore(
                score=score, weight=0.25, findings=findings, assessor="a/1", took_ms=1.0
            )
    overall = sum(it.score for it in dimensions.values()) / len(dimensions) if dimensions else None
    return QualityScore(
        analysis=f"a{number}",
        service="s",
        operation=random.choice(["parse", "GET /jobs/{id}"]),
        platform=random.choice(["lever", "ashby"]),
        model=random.choice(["m1", 'm"2']),
        occurred_at=when_ms,
        overall=overall,
        dimensions=dimensions,
        left_out=[],
        actions=random.choice([[], ["reanalyse"], ["human_review", "reanalyse"]]),
        configuration=random.choice(["c1", "c1", "c1", "c2"]),
        took_ms=1.0,
        source=(0, 0),
    )


def drawn_log(random: Random, count: int, span_ms: int) -> list[ScoredRecord]:
    start, offset, log = MONDAY_MS - span_ms // 2, random.randrange(5), []
    for stamp in sorted(start + random.randrange(span_ms) for _ in range(count)):
        late = random.randrange(3_000_000) if random.random() < 0.2 else random.randrange(2_000)
        number = random.randrange(1 << 30)
        log.append(ScoredRecord(offset, stamp, drawn_score(random, number, stamp - late)))
        offset += random.choice([1, 1, 3])
    return log


def series_of(score: QualityScore) -> list[str]:
    plain = score.operation + ("{}" if "{" in score.operation else "")
    model = score.model.replace('"', '\\"')
    return [
        *("*", f'*{{platform="{score.platform}"}}', f'*{{model="{model}"}}', plain),
        f'{score.operation}{{platform="{score.platform}"}}',
        f'{score.operation}{{model="{model}"}}',
    ]


def values_of(score: QualityScore) -> dict[str, float]:
    values = {name: part.score for name, part in score.dimensions.items()}
    return values if score.overall is None else values | {"overall": score.overall}


def code_of(score: QualityScore, dimension: str) -> str | None:
    """Return the code of the worst finding."""
    parts = score.dimensions if dimension == "overall" else {dimension: None}
    found = [it for name in parts for it in score.dimensions[name].findings]
    return max(found, key=lambda it: (it.cost, it.code)).code if found else None


def oracle(logs: Sequence[Sequence[ScoredRecord]]) -> dict[tuple[str, str, int], list[Any]]:
    scores: dict[tuple[str, str, int], list[Any]] = defaultdict(list)
    for log in logs:
        for record in log:
            score = record.score
            for dimension, value in values_of(score).items():
                for series in series_of(score):
                    for size in SIZES:
                        key = f"{dimension}:{series}", size, window_start(size, score.occurred_at)
                        scores[key].append((value, score, dimension))
    return scores


def assert_equals_oracle(published: QualityAggregate, scores: list[Any], name: str) -> None:
    values = np.array([value for value, _, _ in scores])
    assert published.final
    assert published.count == published.revision == len(values)
    assert published.good == (values >= GOOD).sum()
    assert published.acceptable == (values >= ACCEPTABLE).sum()
    assert published.below_good == (values < GOOD).mean()
    assert published.below_acceptable == (values < ACCEPTABLE).mean()
    assert np.isclose(published.mean, values.mean(), atol=1e-6)
    assert np.isclose([published.min, published.max], [values.min(), values.max()]).all()
    assert np.isclose(published.std_dev, values.std(), atol=1e-3)
    assert np.isclose([published.p5, published.p50], np.quantile(values, [0.05, 0.5])).all()
    assert published.configurations == sorted({score.configuration for _, score, _ in scores})
    bad = [(score, dimension) for value, score, dimension in scores if value < GOOD]
    codes = Counter(code for score, dimension in bad if (code := code_of(score, dimension)))
    found = {it.name: it.count for it in published.findings.most_frequent}
    assert found == codes
    assert published.findings.unnamed == len(bad) - codes.total()
    actions = Counter(score.actions[0] for score, _ in bad if score.actions)
    assert {it.name: it.count for it in published.actions} == actions
    worst = [it.score for it in published.exemplars]
    assert np.isclose(worst, sorted(values)[:3]).all()
    dimension, _, rest = name.partition(":")
    assert published.series.dimension == dimension
    assert published.series.operation == ("*" if rest[0] == "*" else scores[0][1].operation)


@settings(max_examples=examples(4))
@given(st.integers(0, 1 << 32))
def test_windows_of_scores_equal_an_oracles_through_repeats_and_crashes(seed):
    random = Random(seed)
    span_ms = random.choice(SPANS_MS)
    logs = [drawn_log(random, random.randint(1, 10), span_ms) for _ in range(2)]
    published = [
        told_of(random, number, log, troubled=True, reads=ScoreReading)
        for number, log in enumerate(logs)
    ]
    target = ScoreTarget(2)
    while any(published):
        target.inbox.append(random.choice([source for source in published if source]).pop(0))
    now_ms = 0
    while target.read_to < len(target.inbox):
        now_ms += random.choice([1_000, 100_000])
        target.read(random.randint(1, 60), now_ms)
        if random.random() < 0.3:
            target.publish(now_ms)
        if random.random() < 0.1:
            target.write(at_most=random.randrange(8))
            target.start()
        elif random.random() < 0.8:
            target.write()
    for source in range(2):
        target.inbox.append(Progress(source, MONDAY_MS, FAR_MS, FAR_MS))
    target.read(1 << 30, now_ms)
    for beat in range(4):
        target.beat(now_ms + beat * 100_000)
    known = oracle(logs)
    last = target.last()
    assert set(last) == {f"{series}/{size}/{start}".encode() for series, size, start in known}
    for (series, size, start), scores in known.items():
        value = last[f"{series}/{size}/{start}".encode()]
        published = AggregateRecord.model_validate(value).root
        assert isinstance(published, QualityAggregate)
        assert_equals_oracle(published, scores, series)
        assert_marked(published, scores, known.get((series, size, start - SPAN[size]), []))


SPAN = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000, "6h": 6 * 3_600_000}
SPAN |= {"24h": 24 * 3_600_000, "7d": 7 * 24 * 3_600_000}


def assert_marked(published: QualityAggregate, scores: list[Any], before: list[Any]) -> None:
    """Compare the trend's mark with the configurations of the window and of the one before."""
    if published.trend is not None:
        seen = {score.configuration for _, score, _ in [*scores, *before]}
        assert published.trend.changed_configuration == (len(seen) > 1)
        if len(seen) > 1:
            assert published.trend.verdict == "insufficient_data"
