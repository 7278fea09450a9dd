"""One suite for both engines: what a percentile may be off by, and what never is."""

import json
import math

import numpy as np
import pytest
import tdigest

from schemas.fields import Sums
from schemas.partials import Stats
from streams.measure.aggregate import aggregate
from streams.measure.centroids import PARTIAL_LIMIT, PUBLISHED_LIMIT, STORED_LIMIT
from streams.measure.digests import (
    EMPTY,
    ENGINES,
    are_packed,
    centroid_count,
    merge,
    pack,
    pack_samples,
    quantiles,
    thinned,
    unpack,
)
from tests.promise import ALL_RANKS, DISTRIBUTIONS, RANKS, assert_as_promised


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    return ENGINES[request.param]


def drawn(kind, count, seed=1):
    return DISTRIBUTIONS[kind](np.random.default_rng(seed), count)


KINDS = sorted(DISTRIBUTIONS)


def weight_of(packed):
    means, weights = unpack(packed)
    return len(means) if weights is None else float(weights.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_few_samples_are_exact_by_numpys_definition(kind):
    for count in (1, 2, 3, 10, 100, PARTIAL_LIMIT):
        samples = drawn(kind, count)
        told = quantiles(pack_samples(samples, PARTIAL_LIMIT), (0, *RANKS, 1))
        assert told == pytest.approx(np.quantile(samples, (0, *RANKS, 1)), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [903, 2_562, 20_000, 100_000])
def test_a_block_keeps_the_promise(kind, count):
    samples = drawn(kind, count)
    packed = pack_samples(samples, PARTIAL_LIMIT)
    assert centroid_count(packed) <= PARTIAL_LIMIT
    assert weight_of(packed) == count
    assert_as_promised(quantiles(packed, ALL_RANKS), samples, ALL_RANKS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_week_of_merges_keeps_the_promise(kind):
    """360 blocks, merged into minutes as they end, those into hours, these into days, a week."""
    engine = ENGINES["fastdigest"]
    samples = [drawn(kind, 2_000, seed) for seed in range(360)]
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
    assert weight_of(week) == 360 * 2_000
    everything = np.concatenate(samples)
    assert_as_promised(quantiles(week, ALL_RANKS), everything, ALL_RANKS)
    published = thinned(week, PUBLISHED_LIMIT)
    assert centroid_count(published) <= PUBLISHED_LIMIT
    assert_as_promised(quantiles(published, RANKS), everything, RANKS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_cascade_keeps_the_promise_with_either_engine(engine, kind):
    samples = [drawn(kind, 1_500, seed) for seed in range(6)]
    blocks = [pack_samples(one, PARTIAL_LIMIT) for one in samples]
    halves = [merge(blocks[:3], engine, STORED_LIMIT), merge(blocks[3:], engine, STORED_LIMIT)]
    both = merge(halves, engine, STORED_LIMIT)
    assert centroid_count(both) <= STORED_LIMIT
    assert weight_of(both) == 9_000
    assert_as_promised(quantiles(both, ALL_RANKS), np.concatenate(samples), ALL_RANKS)


def test_below_the_limit_a_merge_keeps_every_sample_in_any_order(engine):
    one, two = pack_samples(drawn("pareto", 200), 300), pack_samples(drawn("lognormal", 300), 300)
    first, second = (merge(parts, engine, 500) for parts in ([one, two], [two, one]))
    assert unpack(first)[1] is None
    assert sorted(unpack(first)[0]) == sorted(unpack(second)[0])
    assert len(unpack(first)[0]) == 500
    assert merge([one], engine, 500) == one
    assert centroid_count(merge([one, two], engine, 499)) <= 499


@pytest.mark.parametrize("heaviest", [1, 2, (1 << 16) - 1, 1 << 16, 1 << 32])
def test_what_has_room_is_merged_to_the_bytes_that_numpy_packs(engine, heaviest):
    random = np.random.default_rng(heaviest)
    for _ in range(20):
        sizes = random.integers(0, 40, random.integers(1, 9))
        means = [random.lognormal(5, 1, size).astype(np.float32) for size in sizes]
        weights = [
            np.ones(size) if random.random() < 0.5 else random.integers(1, heaviest + 1, size)
            for size in sizes
        ]
        together = pack(np.concatenate(means), np.concatenate(weights))
        parts = [pack(*part) for part in zip(means, weights, strict=True)]
        assert merge(parts, engine, 1 << 20) == together
        assert merge(parts, engine, 1, room=math.inf) == together


def test_equal_values_are_one_centroid_in_any_order_of_merges(engine):
    parts = [pack_samples(drawn("few whole ms", 5_000, seed), PARTIAL_LIMIT) for seed in range(6)]
    assert {one[0] for one in parts} == {1}
    forward, backward = merge(parts, engine, 20), merge(parts[::-1], engine, 20)
    assert forward == backward
    means, weights = unpack(forward)
    values, counts = np.unique(
        np.concatenate([drawn("few whole ms", 5_000, seed) for seed in range(6)]),
        return_counts=True,
    )
    assert means.tolist() == values.tolist()
    assert weights.tolist() == counts.tolist()


def test_many_equal_values_stay_themselves_among_thousands_of_close_ones(engine):
    random = np.random.default_rng(1)
    close = random.normal(250, 2, 9_000)
    parts = [pack_samples(np.append(close[i::3], [250.0] * 100), 1_000) for i in range(3)]
    means, weights = unpack(merge(parts, engine, 1_000))
    assert weights[means == 250.0].sum() == 300


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


def test_a_large_sample_is_cut_fine_where_percentiles_are_promised_and_at_the_tails():
    packed = pack_samples(np.exp(np.linspace(0, 14, 1_000_000)), 1_000)
    _, weights = unpack(packed)
    ends = np.cumsum(weights)
    assert len(weights) <= 1_000
    assert weights[0] < 1_000
    assert weights[-1] < 1_000
    assert weights[(ends > 490_000) & (ends < 995_000)].max() <= 1_000


def stats_of(samples, packed):
    return Stats(
        Sums(len(samples), 0, round(samples.sum() * 1000)),
        float((samples**2).sum()),
        float(samples.min()),
        float(samples.max()),
        packed,
        (),
    )


def published(samples, packed, *, final=True):
    return json.loads(aggregate("*", "1m", 0, stats_of(samples, packed), None, final=final))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 50, 2_562, 50_000])
def test_what_is_published_keeps_the_promise_and_its_digest_does(engine, kind, count):
    samples = drawn(kind, count)
    packed = merge([pack_samples(samples, PARTIAL_LIMIT)], engine, STORED_LIMIT)
    told = published(samples, packed)
    assert_as_promised([told["duration_ms"][f"p{int(r * 100)}"] for r in RANKS], samples, RANKS)
    centroids = told["digest"]["centroids"]
    means, weights = ([one[key] for one in centroids] for key in "mc")
    assert sum(weights) == count
    assert all(isinstance(weight, int) for weight in weights)
    assert means == sorted(set(means)), "they ascend, and equal values are one centroid"
    assert len(means) <= PUBLISHED_LIMIT
    again = pack(np.array(means), np.array(weights))
    assert_as_promised(quantiles(again, RANKS), samples, RANKS)


def test_what_is_published_of_blocks_that_overlap_ascends_and_keeps_the_promise(engine):
    blocks = [drawn("lognormal", 10_000, seed) for seed in (1, 2)]
    samples = np.concatenate(blocks)
    packed = merge([pack_samples(block, PARTIAL_LIMIT) for block in blocks], engine, STORED_LIMIT)
    told = published(samples, packed)
    means = [one["m"] for one in told["digest"]["centroids"]]
    assert len(means) <= PUBLISHED_LIMIT < centroid_count(packed)
    assert means == sorted(means)
    assert sum(one["c"] for one in told["digest"]["centroids"]) == 20_000
    assert_as_promised([told["duration_ms"][f"p{int(r * 100)}"] for r in RANKS], samples, RANKS)


@pytest.mark.parametrize("kind", ["lognormal", "pareto", "bimodal", "one value"])
@pytest.mark.parametrize("count", [50, 50_000])
def test_the_tdigest_package_reads_a_published_digest_of_a_smooth_distribution(kind, count):
    samples = drawn(kind, count)
    told = published(samples, pack_samples(samples, PARTIAL_LIMIT))
    digest = tdigest.TDigest()
    digest.update_from_dict(told["digest"])
    assert digest.n == told["digest"]["n"] == count
    for percentile, rank in ((50, 0.5), (95, 0.95)):
        again = digest.percentile(percentile)
        low, high = np.quantile(samples, [rank - 0.02, min(1, rank + 0.02)])
        assert low * 0.97 <= again <= high * 1.03


def test_a_value_is_told_in_the_digits_it_came_in():
    told = published(np.array([0.1, 0.1, 0.3]), pack_samples(np.array([0.1, 0.1, 0.3]), 10))
    assert told["duration_ms"]["p50"] == 0.1
    assert told["digest"]["centroids"] == [{"m": 0.1, "c": 2}, {"m": 0.3, "c": 1}]


def test_digests_of_versions_that_joined_equal_values_with_others_are_still_read(engine):
    packed = pack(np.array([1.2, 5.0, 5.0, 3.5]), np.array([10.0, 1.0, 2.0, 5.0]))
    assert quantiles(packed, (0, 1)) == [1.2, 5.0]
    assert weight_of(merge([packed, packed], engine, 4)) == 36


def test_digests_are_told_from_other_bytes():
    real = [
        pack(np.array([1.0, 2.5])),
        pack(np.array([1.0, 2.5]), np.array([3.0, 70_000.0])),
        pack(np.array([1.0]), np.array([2.0**40])),
        EMPTY,
    ]
    assert are_packed(real)
    nan, endless = np.float32("nan").tobytes(), np.float32("inf").tobytes()
    one = np.float32(1).tobytes()
    for other in (
        b"",
        b"\x04",
        b"\xff" * 9,
        b"\0abc",
        b"\0" + nan,
        b"\0" + endless,
        b"\0" + np.float32(-1).tobytes(),
        b"\x01" + one,
        b"\x01" + one + b"\0\0",
        b"\x03" + one + np.float64("nan").tobytes(),
        b"\x03" + one + np.float64(-5).tobytes(),
    ):
        assert not are_packed([*real, other])
