"""A published digest is read the same whether it looks as opwatch writes it or not."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.measure import digest_wire
from streams.measure.centroids import PUBLISHED_LIMIT
from streams.measure.digests import centroid_count, pack

COMPACT = (",", ":")
MEANS = st.floats(0, 2**36, width=32)
WEIGHTS = st.one_of(st.just(1), st.integers(1, 1 << 40), st.floats(0.25, 1e6))
CENTROIDS = st.lists(st.tuples(MEANS, WEIGHTS), max_size=60)


def wire_of(centroids: list[dict[str, Any]], separators: tuple[str, str] = COMPACT) -> bytes:
    return json.dumps({"n": 1, "centroids": centroids}, separators=separators).encode()


@given(CENTROIDS)
def test_a_digest_is_packed_the_same_however_its_json_is_laid_out(
    centroids: list[tuple[float, float]],
):
    listed = [{"m": mean, "c": weight} for mean, weight in centroids]
    packed = digest_wire.packed_digest(wire_of(listed))
    assert packed == digest_wire.packed_digest(wire_of(listed, (", ", ": ")))
    if centroids:
        means, weights = (np.array(column, np.float64) for column in zip(*centroids, strict=True))
        assert packed == pack(means, np.maximum(1.0, weights))
    else:
        assert packed == b""


@pytest.mark.parametrize(
    "centroids",
    [
        [{"m": -1.0, "c": 1}],
        [{"m": 1.0, "c": 0}],
        [{"m": 1.0, "c": -1}],
        [{"m": 1e17, "c": 1}],
        [{"m": 1.0, "c": 1e17}],
        [{"m": 1.0}],
        [{"m": 1.0}, {"m": 2.0, "c": 1}],
        [{"m": 1.0, "c": None}],
        [{"m": 1.0, "c": "many"}],
        [{"m": 1.0, "c": 1}, {}],
        [{"m": 1.0, "c": 1}, 2.0],
    ],
)
def test_what_is_no_digest_is_read_as_none(centroids: list[dict[str, Any]]):
    assert digest_wire.packed_digest(wire_of(centroids)) == b""


def test_what_looks_different_is_read_by_its_names():
    listed = [{"m": 5.0, "c": 1}, {"c": 3, "m": 7.0}, {"m": 8.0, "name": "x", "c": 1}]
    expected = pack(np.array([5.0, 7.0, 8.0]), np.array([1.0, 3.0, 1.0]))
    assert digest_wire.packed_digest(wire_of(listed)) == expected


def test_a_digest_with_too_many_centroids_is_thinned():
    listed = [{"m": float(mean), "c": 1} for mean in range(3 * PUBLISHED_LIMIT)]
    packed = digest_wire.packed_digest(wire_of(listed))
    assert 0 < centroid_count(packed) <= PUBLISHED_LIMIT
