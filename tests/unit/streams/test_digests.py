"""One suite for both engines: what a percentile may be off by, and what never is."""

import json

import numpy as np
import pytest
import tdigest

from schemas.partials import Stats
from streams.aggregates import aggregate
from streams.digests import (
    EMPTY,
    ENGINES,
    FINAL_LIMIT,
    PARTIAL_LIMIT,
    STORED_LIMIT,
    centroid_count,
    merge,
    pack,
    pack_samples,
    quantiles,
    unpack,
)

RANKS = (0.5, 0.9, 0.95, 0.99)


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    return ENGINES[request.param]


def drawn(kind, count, seed=1):
    random = np.random.default_rng(seed)
    if kind == "lognormal":
        return random.lognormal(5, 0.6, count)
    if kind == "pareto":
        return (random.pareto(2.5, count) + 1) * 20
    if kind == "bimodal":
        fast = random.normal(5, 0.5, count).clip(0.1)
        return np.where(random.random(count) < 0.7, fast, random.normal(900, 60, count))
    return np.full(count, 250.0)


KINDS = ("lognormal", "pareto", "bimodal", "constant")


def assert_as_promised(told, samples):
    """Within 0.5 % in value, or 0.1 point in rank."""
    ordered = np.sort(samples)
    for rank, value in zip(RANKS, told, strict=True):
        exact = np.quantile(ordered, rank)
        low, high = np.quantile(ordered, [rank - 0.001, min(1, rank + 0.001)])
        close = abs(value - exact) <= 0.005 * exact
        assert close or low * (1 - 1e-6) <= value <= high * (1 + 1e-6), (rank, value, exact)


def weight_of(packed):
    means, weights = unpack(packed)
    return len(means) if weights is None else float(weights.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_few_samples_are_exact_by_numpys_definition(engine, kind):
    for count in (1, 2, 3, 10, 100, PARTIAL_LIMIT):
        samples = drawn(kind, count)
        told = quantiles(pack_samples(samples, PARTIAL_LIMIT), engine, (0, *RANKS, 1))
        assert told == pytest.approx(np.quantile(samples, (0, *RANKS, 1)), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1_000, 20_000])
def test_a_block_keeps_the_promise(engine, kind, count):
    samples = drawn(kind, count)
    packed = pack_samples(samples, PARTIAL_LIMIT)
    assert centroid_count(packed) <= PARTIAL_LIMIT
    assert weight_of(packed) == count
    assert_as_promised(quantiles(packed, engine, RANKS), samples)


@pytest.mark.parametrize("kind", KINDS)
def test_a_week_of_merges_keeps_the_promise(kind):
    """360 blocks, merged into minutes as they end, those into hours, these into days, a week."""
    engine = ENGINES["fastdigest"]
    samples = [drawn(kind, 4_000, seed) for seed in range(360)]
    blocks = [pack_samples(one, PARTIAL_LIMIT) for one in samples]
    minutes = []
    for first in range(0, 360, 6):
        base = blocks[first]
        for block in blocks[first + 1 : first + 6]:
            base = merge([base, block], engine, STORED_LIMIT)
        minutes.append(base)
    fives = [merge(minutes[i : i + 5], engine, STORED_LIMIT) for i in range(0, 60, 5)]
    hours = [merge(fives[i : i + 3], engine, STORED_LIMIT) for i in range(0, 12, 3)]
    days = [merge(hours[i : i + 2], engine, STORED_LIMIT) for i in range(0, 4, 2)]
    week = merge(days, engine, STORED_LIMIT)
    assert centroid_count(week) <= STORED_LIMIT
    assert weight_of(week) == 360 * 4_000
    assert_as_promised(quantiles(week, engine, RANKS), np.concatenate(samples))


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_cascade_keeps_the_promise_with_either_engine(engine, kind):
    samples = [drawn(kind, 3_000, seed) for seed in range(6)]
    blocks = [pack_samples(one, PARTIAL_LIMIT) for one in samples]
    halves = [merge(blocks[:3], engine, STORED_LIMIT), merge(blocks[3:], engine, STORED_LIMIT)]
    both = merge(halves, engine, STORED_LIMIT)
    assert centroid_count(both) <= STORED_LIMIT
    assert weight_of(both) == 18_000
    assert_as_promised(quantiles(both, engine, RANKS), np.concatenate(samples))


def test_below_the_limit_a_merge_keeps_every_sample_in_any_order(engine):
    one, two = pack_samples(drawn("pareto", 200), 300), pack_samples(drawn("lognormal", 300), 300)
    first, second = (merge(parts, engine, 500) for parts in ([one, two], [two, one]))
    assert unpack(first)[1] is None
    assert sorted(unpack(first)[0]) == sorted(unpack(second)[0])
    assert len(unpack(first)[0]) == 500
    assert merge([one], engine, 500) == one
    assert centroid_count(merge([one, two], engine, 499)) <= 499


def test_samples_and_centroids_merge_side_by_side(engine):
    packed = merge(
        [pack_samples(drawn("pareto", 1000), 50), pack(np.array([1.0, 2.0]))], engine, 99
    )
    means, weights = unpack(packed)
    assert means[-2:].tolist() == [1.0, 2.0]
    assert weights[-2:].tolist() == [1, 1]
    assert weights.sum() == 1002


@pytest.mark.parametrize(
    ("heaviest", "code", "width"),
    [
        (1, 0, 4),
        (2, 1, 6),
        ((1 << 16) - 1, 1, 6),
        (1 << 16, 2, 8),
        ((1 << 32) - 1, 2, 8),
        (1 << 32, 3, 12),
    ],
)
def test_weights_of_any_size_survive_packing(heaviest, code, width):
    packed = pack(np.array([1.5, 2.5]), np.array([1.0, float(heaviest)]))
    assert (packed[0], len(packed)) == (code, 1 + 2 * width)
    means, weights = unpack(packed)
    assert means.tolist() == [1.5, 2.5]
    assert (weights is None) == (code == 0)
    assert weights is None or weights.tolist() == [1, heaviest]
    assert centroid_count(packed) == 2


def test_nothing_packs_to_the_empty_digest():
    assert pack(np.array([])) == pack(np.array([]), np.array([])) == EMPTY
    assert pack_samples(np.array([]), 5) == EMPTY
    assert centroid_count(EMPTY) == 0


def test_a_large_sample_is_cut_fine_at_the_tails():
    _, weights = unpack(pack_samples(np.arange(100_000.0), 300))
    assert weights[0] < 20
    assert weights[-1] < 20
    assert weights.max() > 400
    assert len(weights) == 300


def stats_of(samples, packed):
    return Stats(
        len(samples),
        0,
        round(samples.sum() * 1000),
        float((samples**2).sum()),
        float(samples.min()),
        float(samples.max()),
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        packed,
        (),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [50, 50_000])
def test_a_consumer_with_the_tdigest_package_reads_the_published_digest(engine, kind, count):
    samples = drawn(kind, count)
    packed = merge([pack_samples(samples, PARTIAL_LIMIT)], engine, FINAL_LIMIT)
    told = json.loads(aggregate("*", "1m", 0, stats_of(samples, packed), None, engine, final=True))
    digest = tdigest.TDigest()
    digest.update_from_dict(told["digest"])
    assert digest.n == told["digest"]["n"] == count
    for percentile, rank in ((50, 0.5), (95, 0.95)):
        again = digest.percentile(percentile)
        low, high = np.quantile(samples, [rank - 0.02, min(1, rank + 0.02)])
        assert low * 0.97 <= again <= high * 1.03
    assert_as_promised([told["duration_ms"][f"p{int(rank * 100)}"] for rank in RANKS], samples)


def test_a_published_digest_read_back_has_the_same_percentiles(engine):
    samples = drawn("lognormal", 50_000)
    packed = pack_samples(samples, PARTIAL_LIMIT)
    told = json.loads(aggregate("*", "1m", 0, stats_of(samples, packed), None, engine, final=True))
    centroids = told["digest"]["centroids"]
    again = pack(np.array([c["m"] for c in centroids]), np.array([c["c"] for c in centroids]))
    assert_as_promised(quantiles(again, engine, RANKS), samples)


def test_what_is_published_of_blocks_that_overlap_ascends_and_keeps_the_promise(engine):
    blocks = [drawn("lognormal", 10_000, seed) for seed in (1, 2)]
    samples = np.concatenate(blocks)
    packed = merge([pack_samples(block, PARTIAL_LIMIT) for block in blocks], engine, STORED_LIMIT)
    told = json.loads(aggregate("*", "1m", 0, stats_of(samples, packed), None, engine, final=True))
    means = [one["m"] for one in told["digest"]["centroids"]]
    assert len(means) <= FINAL_LIMIT < centroid_count(packed)
    assert means == sorted(means)
    assert sum(one["c"] for one in told["digest"]["centroids"]) == 20_000
    assert_as_promised([told["duration_ms"][f"p{int(rank * 100)}"] for rank in RANKS], samples)


def test_a_provisional_digest_is_smaller_than_a_final_one(engine):
    samples = drawn("lognormal", 2_000)
    packed = pack_samples(samples, 500)
    sizes = {
        final: len(
            json.loads(
                aggregate("*", "1m", 0, stats_of(samples, packed), None, engine, final=final)
            )["digest"]["centroids"]
        )
        for final in (False, True)
    }
    assert sizes[False] <= 200 < sizes[True] <= 500
