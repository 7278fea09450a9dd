import pytest

import streams.measure.series_limit as admission_module
from streams.measure.series_limit import NAMED, Admission

NOON_MS = 43_200_000


def full(limit=2):
    admission = Admission(3, limit)
    for number in range(limit):
        assert admission.place(f"op{number}", NOON_MS) == f"op{number}"
        admission.enter(f"op{number}")
    return admission


def test_totals_are_never_refused():
    admission = full()
    for total in ("*", *(f'*{{confidence="{level}"}}' for level in ("low", "medium", "high"))):
        assert admission.place(total, NOON_MS) == total


@pytest.mark.parametrize(
    ("series", "overflow"),
    [
        ("op9", "overflow-3"),
        ('op9{platform="p"}', 'overflow-3{platform="overflow-3"}'),
        ('*{platform="p"}', '*{platform="overflow-3"}'),
        ('op9{confidence="low"}', 'overflow-3{confidence="low"}'),
        ('*{confidence="low"}{}', "overflow-3"),
        ("*{confidence{}", "overflow-3"),
    ],
)
def test_past_the_limit_a_new_series_counts_in_its_own_kind_of_overflow(series, overflow):
    admission = full()
    assert admission.place(series, NOON_MS) == overflow
    assert admission.place(overflow, NOON_MS) == overflow
    assert admission.refused_names == [series]
    assert admission.place("op0", NOON_MS) == "op0"


def test_the_warning_names_some_and_each_once():
    admission = full()
    for number in range(2 * NAMED):
        admission.place(f"new{number}", NOON_MS)
        admission.place(f"new{number}", NOON_MS)
    assert admission.refused_names == [f"new{number}" for number in range(NAMED)]


def test_a_series_lives_as_long_as_a_row_of_it():
    admission = full()
    admission.enter("op0")
    admission.leave("op0")
    assert len(admission) == 2
    assert admission.place("new", NOON_MS) == "overflow-3"
    admission.leave("op0")
    assert len(admission) == 1
    assert admission.place("other", NOON_MS) == "other"
    admission.leave("unknown")
    assert len(admission) == 1


def test_a_refused_series_stays_so_until_all_its_five_minutes_are_sealed():
    admission = full()
    assert admission.place("new", NOON_MS) == "overflow-3"
    assert admission.place("new", NOON_MS + 300_000) == "overflow-3"
    assert admission.place("new", NOON_MS - 300_000) == "overflow-3"
    admission.leave("op0")
    admission.forget(NOON_MS + 299_999)
    assert admission.place("new", NOON_MS) == "overflow-3"
    admission.forget(NOON_MS + 300_000)
    assert admission.place("new", NOON_MS) == "new"


def test_more_refused_than_remembered_close_the_door_for_all_new_ones(monkeypatch):
    monkeypatch.setattr(admission_module, "_REMEMBERED", 3)
    admission = full()
    for number in range(50):
        assert admission.place(f"new{number}", NOON_MS) == "overflow-3"
    admission.place("new0", NOON_MS + 1)
    assert len(admission._refused) == 3
    admission.leave("op0")
    assert admission.place("new40", NOON_MS - 5) == "overflow-3"
    assert admission.place("another", NOON_MS) == "overflow-3"
    assert admission.place("op1", NOON_MS) == "op1"
    admission.forget(NOON_MS - 1)
    assert admission.place("another", NOON_MS - 2) == "overflow-3"
    admission.forget(NOON_MS)
    assert admission.place("another", NOON_MS) == "another"


def test_after_a_restart_no_one_is_admitted_that_overflow_may_hold():
    admission = Admission(3, 10)
    admission.resume("*", NOON_MS)
    admission.resume("op0", NOON_MS)
    admission.resume('*{confidence="low"}', NOON_MS)
    assert admission.place("new", NOON_MS) == "new"
    admission.resume('*{platform="overflow-3"}', NOON_MS)
    admission.resume("overflow-3", NOON_MS - 300_000)
    admission.forget(NOON_MS - 300_000)
    assert admission.place("new", NOON_MS) == "overflow-3"
    admission.forget(NOON_MS)
    assert admission.place("new", NOON_MS) == "new"
