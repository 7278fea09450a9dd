"""What PostgreSQL refuses is stored as well as it can be, and flagged; the rest is left alone."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.history.fitting import NAME_LENGTH, at, entry, fit_json, fit_name, fit_text, id_of
from streams.history.tables import HistoryTable

TABLE = HistoryTable(
    "anything",
    {
        "title": "name",
        "message": "text",
        "fields": "json",
        "words": "texts",
        "small": "int4",
        "large": "int8",
        "share": "float8",
        "came_at": "time",
        "raw": "bytes",
        "flags": "texts",
    },
    key=("title",),
    order=("large", "small"),
)
FITTING = ("a", "b", {"c": 1}, ["d"], 2, 3, 0.5, 0, b"\x00\xff")


@pytest.mark.parametrize(
    ("text", "stored", "flag"),
    [
        ("", "", ""),
        ("plain", "plain", ""),
        ("naïve 😀 �", "naïve 😀 �", ""),
        ("a\x00b", "a�b", "cleaned"),
        ("\x00", "�", "cleaned"),
        ("a\ud800b\udfffc", "a�b�c", "cleaned"),
        ("é\x00", "é�", "cleaned"),
        ("a\nb\x01\x7f", "a\nb\x01\x7f", ""),
    ],
)
def test_a_text_loses_nul_and_lone_surrogates_and_nothing_else(text: str, stored: str, flag: str):
    assert fit_text(text) == (stored, flag)


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("x" * NAME_LENGTH, ""),
        ("x" * (NAME_LENGTH + 1), "cut"),
        ("ä" * 10_000, "cut"),
        ("x\x00", "cleaned"),
        ("x" * NAME_LENGTH + "\x00", "cut"),
        ("\ud800" * NAME_LENGTH, "cleaned"),
    ],
)
def test_a_name_fits_an_index_and_says_what_was_done_to_it(name: str, flag: str):
    stored, found = fit_name(name)
    assert found == flag
    assert len(stored) <= NAME_LENGTH
    assert (stored == name) is (flag == "")
    assert fit_text(stored) == (stored, "")
    assert fit_name(name) == (stored, found)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("x" * 300 + "a", "x" * 300 + "b"),
        ("a\x00", "a\ud800"),
        ("b\x00", "b�"),
        ("a\x00", "a\x00\x00"),
        ("x" * 187 + "\x00" * 20, "x" * 187 + "\x00" * 21),
    ],
)
def test_names_that_become_alike_stay_distinct(first: str, second: str):
    assert fit_name(first)[0] != fit_name(second)[0]


def test_a_name_is_cut_at_the_length_of_its_column_with_a_mark_of_the_whole():
    stored, flag = fit_name("p" * 60, 50)
    assert (len(stored), flag) == (50, "cut")
    assert stored[:37] == "p" * 37
    assert stored[37] == "~"
    # printf 'p%.0s' {1..60} | sha256sum
    assert stored[38:] == "598b320cd73d"


@pytest.mark.parametrize(
    ("value", "stored", "flag"),
    [
        (b'{"a": [1, "b"]}', '{"a": [1, "b"]}', ""),
        ('{"a":1.50}', '{"a":1.50}', ""),
        ({"a": None}, '{"a": null}', ""),
        ([1, "é"], '[1, "é"]', ""),
        (b'"\\u0000"', '"�"', "cleaned"),
        ('{"a\\u0000": {"b": ["\\u0000c", 1]}}', '{"a�": {"b": ["�c", 1]}}', "cleaned"),
        ({"a": "\x00"}, '{"a": "�"}', "cleaned"),
        ('"\\\\u0000"', '"\\\\u0000"', ""),  # a backslash and five letters
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"', ""),  # a pair
        ('"\\ud83d"', '"�"', "cleaned"),
        ('"\\uDE00\\uD83D"', '"��"', "cleaned"),
        ("1e400", "1e400", ""),
        ('{"a": 1e5000}', '{"a": null}', "cleaned"),
        ("[-1E+99999]", "[null]", "cleaned"),
        ("1e-999", "1e-999", ""),
        ("[1e-20000]", "[0.0]", "cleaned"),
        ("[2e-00001]", "[0.2]", "cleaned"),
        ("[0." + "0" * 17_000 + "1]", "[0.0]", "cleaned"),
        ("[1." + "5" * 17_000 + ", 2.5]", "[1.5555555555555556, 2.5]", "cleaned"),
        ('{"page2026": 1}', '{"page2026": 1}', ""),
        ("1" * 999, "1" * 999, ""),
        ('["' + "1" * 2_000 + '"]', '["' + "1" * 2_000 + '"]', ""),  # a text, not a number
        ("[" + "1" * 1_000 + "]", "[null]", "cleaned"),
        ("[-" + "1" * 200_000 + "]", "[null]", "cleaned"),
    ],
)
def test_json_loses_what_postgresql_refuses_and_is_else_the_same_text(
    value: Any, stored: str, flag: str
):
    assert fit_json(value) == (stored, flag)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(_ANYTHING, st.booleans())
def test_whatever_is_stored_as_json_is_json_that_postgresql_takes(value: Any, escaped: bool):
    stored, flag = fit_json(json.dumps(value, ensure_ascii=escaped))
    text = json.dumps(json.loads(stored), ensure_ascii=False)
    assert fit_text(text) == (text, "")
    assert "\\u0000" not in text.replace("\\\\", "")
    assert (json.loads(stored) == value) is (flag == "")


@pytest.mark.parametrize(
    ("time_ms", "stored", "flags"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC), []),
        (1_772_409_600_001, datetime(2026, 3, 2, 0, 0, 0, 1_000, UTC), []),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC), []),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC), []),
        (
            253_402_300_800_000,
            datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC),
            ["came_at_clamped"],
        ),
        (1 << 63, datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC), ["came_at_clamped"]),
        (-62_135_596_800_000, datetime(1, 1, 1, tzinfo=UTC), []),
        (-62_135_596_800_001, datetime(1, 1, 1, tzinfo=UTC), ["came_at_clamped"]),
    ],
)
def test_a_time_beyond_the_calendar_is_its_first_or_last_moment(
    time_ms: int, stored: datetime, flags: list[str]
):
    assert at(time_ms) == stored
    assert entry(TABLE, *FITTING[:7], time_ms, b"").values[7:] == (stored, b"", flags)


@pytest.mark.parametrize(
    ("column", "value", "stored", "flags"),
    [
        (0, "a\x00", "a�~ffe9aaeaa2a2", ["title_cleaned"]),
        (1, "a\x00", "a�", ["message_cleaned"]),
        (2, '["\\u0000"]', '["�"]', ["fields_cleaned"]),
        (3, ["a", "b\x00", "c"], ["a", "b�", "c"], ["words_cleaned"]),
        (3, (), [], []),
        (4, 2**31 - 1, 2**31 - 1, []),
        (4, 2**31, 2**31 - 1, ["small_clamped"]),
        (4, -(2**40), -(2**31 - 1), ["small_clamped"]),
        (5, 2**63 - 1, 2**63 - 1, []),
        (5, 2**63, 2**63 - 1, ["large_clamped"]),
        (5, -(2**80), -(2**63 - 1), ["large_clamped"]),
        (6, float("inf"), float("inf"), []),
    ],
)
def test_each_kind_of_column_has_its_limits(column: int, value: Any, stored: Any, flags: list[str]):
    values = [*FITTING[:column], value, *FITTING[column + 1 :]]
    found = entry(TABLE, *values)
    assert found.table is TABLE
    assert found.values[column] == stored
    assert found.values[-1] == flags


def test_flags_say_all_that_was_changed_and_bytes_are_left_alone():
    found = entry(TABLE, "a" * 300, "\x00", [], ["\x00"], 1 << 31, 1 << 63, 0.1, 1 << 62, b"\x00")
    changed = ["title_cut", "message_cleaned", "words_cleaned", "small_clamped", "large_clamped"]
    assert found.values[-1] == [*changed, "came_at_clamped"]
    assert found.values[-2] == b"\x00"


def test_what_is_unknown_stays_unknown():
    assert entry(TABLE, *[None] * 9).values == (*[None] * 9, [])


def test_the_rank_is_what_is_stored_of_the_columns_of_the_order():
    assert entry(TABLE, *FITTING).rank == (3, 2)
    assert entry(TABLE, *FITTING[:5], 1 << 70, *FITTING[6:]).rank == ((1 << 63) - 1, 2)


def test_an_id_is_the_same_wherever_it_is_made_and_tells_names_apart():
    assert id_of("a", None) == uuid.UUID("21b3cdb0-1c1e-5334-a73c-41b8b8eaac5e")
    names = [("a", None), ("a", "None"), (None, "a"), ("a",), ("a", ""), ("a\x00", None), ("ab",)]
    assert len({id_of(*name) for name in names}) == len(names)
