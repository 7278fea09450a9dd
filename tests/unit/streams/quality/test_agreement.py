"""A value and a truth agree however each is written, and not where they differ."""

from typing import Any

import pytest

from streams.quality.agreement import agree, same_label


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("Acme", "ACME, Inc."),
        ("Müller & Söhne", "Mueller und Soehne GmbH"),
        ("2026-03-04", "4. März 2026"),
        ("03/04/2026", "2026-03-04"),
        (120000, "$120k"),
        ("1.200,50 €", 1200.5),
        ("95,000 USD", "$95k per year"),
        (True, "yes"),
        ("Berlin", "Berlin, Germany"),
        ("Data Engineers", "Data Engineer"),
        (["Python", "Go"], ["go", "python"]),
        (["Python", "Go", "SQL"], ["Python", "SQL"]),
        ("Python", ["Python"]),
        ({"min": 5}, {"min": 5, "max": 9}),
        ("C++", "c++"),
        ([{"min": 1}, [2]], [[2], {"min": 1}]),
    ],
)
def test_they_agree(value: Any, truth: Any):
    assert agree(value, truth)
    assert agree(truth, value)


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("Acme", "Globex, Inc."),
        ("2026-03-04", "5. März 2026"),
        (120000, "$125k"),
        (True, "no"),
        ("Junior Developer", "Senior Developer"),
        ("iPhone 14", "iPhone 15"),
        (["Python", "Go"], ["Rust", "Java"]),
        ([], ["Rust"]),
        ("Berlin", 7),
        (None, "Berlin"),
    ],
)
def test_they_differ(value: Any, truth: Any):
    assert not agree(value, truth)
    assert not agree(truth, value)


@pytest.mark.parametrize("truth", ["ghost", "Likely Ghost", "probably_ghost", "GHOST"])
def test_a_verdict_is_the_same_however_sure(truth: str):
    assert same_label("likely_ghost", truth)
    assert not same_label("likely_real", truth)


def test_nested_lists_take_no_power_of_their_depth():
    nested: Any = ["x"]
    for _ in range(100):
        nested = [nested] * 10
    assert agree(nested, nested)
