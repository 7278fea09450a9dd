"""What a template may compute, and what it may not."""

from typing import Any

import pytest

from streams.channels.template_values import (
    FILTERS,
    MAX_RESULT,
    OPERATORS,
    TESTS,
    Failed,
    Undefined,
    added,
    bounded,
    divided,
    element,
    sliced,
    subtracted,
    usable,
)


@pytest.mark.parametrize(
    ("function", "arguments", "expected"),
    [
        (added, (1, 2.5), 3.5),
        (added, ("a", "b"), "ab"),
        (added, ([1], (2,)), [1, 2]),
        (subtracted, (1, 3), -2),
        (divided, (3, 2), 1.5),
        (sliced, ("abcdef", 1, 4, None), "bcd"),
        (sliced, ([1, 2, 3], None, None, -1), [3, 2, 1]),
        (element, ({"a": 1}, "a"), 1),
        (element, (["x", "y"], -1), "y"),
        (element, ("xyz", 0), "x"),
        (bounded, ("x" * MAX_RESULT,), "x" * MAX_RESULT),
        (FILTERS["abs"], (-2,), 2),
        (FILTERS["capitalize"], ("aBC",), "Abc"),
        (FILTERS["count"], ([1, 2],), 2),
        (FILTERS["default"], (Undefined("x"), "d"), "d"),
        (FILTERS["default"], ("", "d"), ""),
        (FILTERS["default"], ("", "d", True), "d"),
        (FILTERS["default"], ("a", "d", True), "a"),
        (FILTERS["dictsort"], ({"b": 1, "A": 2},), [("A", 2), ("b", 1)]),
        (FILTERS["first"], (["x", "y"],), "x"),
        (FILTERS["last"], (["x", "y"],), "y"),
        (FILTERS["float"], ("1.5",), 1.5),
        (FILTERS["float"], ("no",), 0.0),
        (FILTERS["float"], (None, 7), 7),
        (FILTERS["int"], ("12",), 12),
        (FILTERS["int"], ("12.9",), 12),
        (FILTERS["int"], (3.9,), 3),
        (FILTERS["int"], ("no", 5), 5),
        (FILTERS["int"], ("1.e999", 5), 5),
        (FILTERS["int"], (None,), 0),
        (FILTERS["items"], ({"a": 1},), [("a", 1)]),
        (FILTERS["join"], ([1, "b"], ", "), "1, b"),
        (FILTERS["join"], ([],), ""),
        (FILTERS["lower"], ("A",), "a"),
        (FILTERS["replace"], ("aaa", "a", "b"), "bbb"),
        (FILTERS["replace"], ("aaa", "a", "b", 2), "bba"),
        (FILTERS["replace"], ("abc", "", "-"), "-a-b-c-"),
        (FILTERS["round"], (2.5,), 2.0),
        (FILTERS["round"], (2.345, 2), 2.35),
        (FILTERS["round"], (1234, -2), 1200),
        (FILTERS["round"], (2.31, 1, "ceil"), 2.4),
        (FILTERS["round"], (2.39, 1, "floor"), 2.3),
        (FILTERS["sort"], (["b", "A", "c"],), ["A", "b", "c"]),
        (FILTERS["sort"], ([1, 3, 2], True), [3, 2, 1]),
        (FILTERS["title"], ("a b",), "A B"),
        (FILTERS["trim"], (" a ",), "a"),
        (FILTERS["trim"], ("xax", "x"), "a"),
        (FILTERS["truncate"], ("one two three", 20), "one two three"),
        (FILTERS["truncate"], ("one two three", 10), "one..."),
        (FILTERS["truncate"], ("one two three", 10, True), "one two..."),
        (FILTERS["truncate"], ("one two three", 10, True, "!"), "one two t!"),
        (FILTERS["truncate"], ("abcdef", 2, True), "..."),
        (FILTERS["unique"], (["a", "A", "b"],), ["a", "b"]),
        (FILTERS["upper"], ("a",), "A"),
        (TESTS["defined"], (Undefined("x"),), False),
        (TESTS["undefined"], (Undefined("x"),), True),
        (TESTS["none"], (None,), True),
        (TESTS["true"], (1,), False),
        (TESTS["false"], (False,), True),
        (TESTS["number"], ("1",), False),
        (TESTS["string"], ("1",), True),
        (TESTS["mapping"], ({},), True),
        (OPERATORS["in"], ("a", {"a": 1}), True),
        (OPERATORS["notin"], (1, [1]), False),
        (OPERATORS["lteq"], (1, 1), True),
    ],
)
def test_a_value_is_what_jinja_makes_it(function: Any, arguments: tuple[Any, ...], expected: Any):
    found = function(*arguments)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("function", "arguments", "why"),
    [
        (usable, (Undefined("there is no 'x'"),), "UndefinedError: there is no 'x'"),
        (added, ("a", 1), "'a' is no number"),
        (added, ([1], "a"), r"\[1\]' is no number"),
        (subtracted, ("a", "b"), "'a' is no number"),
        (divided, (1, None), "'None' is no number"),
        (sliced, (5, 0, 1, None), "only texts and lists have parts"),
        (bounded, ("x" * (MAX_RESULT + 1),), "more than 8000 characters"),
        (bounded, ([0] * (MAX_RESULT + 1),), "more than 8000 characters"),
        (bounded, (10**400,), "a number is too large"),
        (bounded, (-(10**400),), "a number is too large"),
        (FILTERS["abs"], ("a",), "no number"),
        (FILTERS["round"], (1.5, 10**6), "round wants"),
        (FILTERS["round"], (1.5, 1.0), "round wants"),
        (FILTERS["round"], (1.5, 0, "up"), "round wants common, ceil or floor"),
        (FILTERS["replace"], ("x" * 100, "x", "y" * 100), "replace would write more than 8000"),
        (FILTERS["replace"], ("x" * 100, "", "y" * 100), "replace would write more than 8000"),
        (FILTERS["join"], (["x"] * 100, "y" * 100), "join would write more than 8000"),
        (TESTS["none"], (Undefined("x"),), "UndefinedError"),
    ],
)
def test_what_cannot_be_computed_says_why(function: Any, arguments: tuple[Any, ...], why: str):
    with pytest.raises(Failed, match=why):
        function(*arguments)


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ({"a": 1}, "b"),
        ([1], 1),
        ([1], -2),
        ([1], True),
        ([1], "0"),
        ("abc", "upper"),
        (5, "real"),
        (object(), "__class__"),
        ({"a": 1}, "keys"),
    ],
)
def test_what_is_not_there_is_undefined_and_no_attribute_of_pythons(held: Any, name: Any):
    found = element(held, name)
    assert isinstance(found, Undefined)
    assert str(name) in found.why


def test_an_empty_list_has_no_first_or_last():
    assert isinstance(FILTERS["first"]([]), Undefined)
    assert isinstance(FILTERS["last"]([]), Undefined)
