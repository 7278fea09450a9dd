"""A published digest is read the same whether it looks as opwatch writes it or not."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.measure import digest_wire
from streams.measure.digests import pack

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
