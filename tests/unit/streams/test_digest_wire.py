"""A published digest is read whatever its form, and what is none of them is an empty one."""

import base64
import json

import numpy as np
import pytest

from streams.measure.centroids import PUBLISHED_LIMIT
from streams.measure.digest_wire import packed_digest
from streams.measure.digests import centroid_count, pack, quantiles

CENTROIDS = [(1.5, 1), (2.0, 3), (40.25, 2)]


def wire(centroids: list[tuple[float, float]], **json_options: object) -> bytes:
    """Return a digest in the form of the `tdigest` package."""
    fields = [{"m": mean, "c": weight} for mean, weight in centroids]
    text = json.dumps({"n": 6, "centroids": fields}, **json_options)  # type: ignore[arg-type]
    return text.encode()


def packed(centroids: list[tuple[float, float]]) -> bytes:
    means, weights = np.array(centroids, np.float64).reshape(-1, 2).T
    return pack(means, weights)


def as_text(digest: bytes) -> bytes:
    return json.dumps(base64.b64encode(digest).decode()).encode()


@pytest.mark.parametrize(
    "form",
    [
        wire(CENTROIDS, separators=(",", ":")),  # as opwatch writes it
        wire(CENTROIDS),
        wire(CENTROIDS, indent=1),
        b'{"centroids":[{"c":1,"m":1.5},{"c":3,"m":2},{"m":40.25,"c":2}],"n":6}',
        b'{"n":6,"centroids":[{"m":1.5,"c":1},{"m":2e0,"c":3.0},{"m":40.25,"c":2,"x":[]}]}',
        as_text(packed(CENTROIDS)),
    ],
)
def test_every_form_of_a_digest_is_read_as_the_same(form: bytes):
    assert packed_digest(form) == packed(CENTROIDS)


def test_half_an_operation_counts_as_one():
    assert packed_digest(wire([(5.0, 0.25), (6.0, 2.5)])) == packed([(5.0, 1.0), (6.0, 2.5)])


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("is_text", [True, False])
def test_a_digest_with_more_centroids_than_are_published_is_thinned(compact: bool, is_text: bool):
    many = [(float(number), 1) for number in range(3 * PUBLISHED_LIMIT)]
    separators = {"separators": (",", ":")} if compact else {}
    digest = packed_digest(as_text(packed(many)) if is_text else wire(many, **separators))
    assert centroid_count(digest) <= PUBLISHED_LIMIT
    exact = [0.5 * len(many), 0.99 * len(many)]
    assert quantiles(digest, [0.5, 0.99]) == pytest.approx(exact, rel=0.01)


_HOSTILE = [
    b"",
    b"null",
    b"5",
    b"[]",
    b"{}",
    b"\xff",
    b'"\xff"',
    b'""',
    b'"!"',
    '"é"'.encode(),
    b'"AQ"',
    as_text(b"\x09\x00\x00\x00\x00"),
    as_text(packed([(1.0, 1)])[:-1]),
    as_text(b"\0" + np.array([np.nan], "<f4").tobytes()),
    b'{"n":0,"centroids":[]}',
    b'{"n":0,"centroids":null}',
    wire([(-1.0, 1)]),
    wire([(-1.0, 1)], separators=(",", ":")),
    wire([(1.0, 0)], separators=(",", ":")),
    wire([(1.0, -5)], separators=(",", ":")),
    wire([(1e17, 1)], separators=(",", ":")),
    b'{"n":1,"centroids":[{"m":1e999,"c":1}]}',
    b'{"n":1,"centroids":[{"m":"1","c":1}]}',
    b'{"n":1,"centroids":[{"m":1,"c":1},{"m":2}]}',
    b'{"n":1,"centroids":[{"m":1,"c":1}{"m":2,"c":1}]}',
    b'{"n":1,"centroids":[{"m":1,"c":}]}',
    b'{"n":1,"centroids":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"[" * 100_000,
]


@pytest.mark.parametrize("form", _HOSTILE, ids=range(len(_HOSTILE)))
def test_what_is_no_digest_is_an_empty_one(form: bytes):
    assert packed_digest(form) == b""
