"""Ids of history say what a row is about: whoever stores it, now or later, makes the same."""

from uuid import UUID

import pytest

from streams.history.fitting import id_of, ids_of


@pytest.mark.parametrize(
    "others", [("lever", "parse", "1h/0"), (None, "*", "5m/300000"), ('it\'s "é"\ud800',)]
)
def test_ids_of_a_window_are_those_of_each_figure_alone(others: tuple[str | None, ...]):
    of_figure = ids_of(*others)
    for name in ("success_rate", "é", "\ud800", "it's"):
        assert of_figure(name) == id_of(name, *others)


def test_an_id_never_changes():
    known = UUID("3c1afdac-b8d9-5778-96d2-f70220ae98ed")
    assert id_of("success_rate", None, "parse", "1h/1772409600000") == known
