"""Label matchers, as Prometheus has them."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import Matcher
from schemas.matchers import MAX_MATCHERS, matches, parse_matchers, pattern_problem

LEVER = {"operation": "parse", "platform": "lever"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('platform="lever"', True),
        ('platform="Lever"', False),
        ('platform!="lever"', False),
        ('platform=~"lever|ashby"', True),
        ('platform=~"lev"', False),  # the whole value
        ('platform!~"lev.*"', False),
        ('platform!~"ash.*"', True),
        ('{operation="parse", platform=~"l.+"}', True),
        ('operation = "parse" , platform = "ashby"', False),
        ('operation="parse",', True),
        ('service=""', True),  # a label that is not there is the empty text
        ('service!=""', False),
    ],
)
def test_what_matches(text: str, expected: bool):  # noqa: FBT001, RUF100 - a table's column
    assert matches(parse_matchers(text), LEVER) is expected


def test_quotes_and_backslashes_are_escaped():
    (matcher,) = parse_matchers(r'operation="GET /\"x\"\\"')
    assert matcher.value == 'GET /"x"\\'
    (matcher,) = parse_matchers(r'operation=~"GET /users/\d+"')
    assert matches([matcher], {"operation": "GET /users/12"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no matcher: write"),
        ("{}", "no matcher: write"),
        ("platform", 'write platform="…"'),
        ("platform=lever", 'write platform="…"'),
        ("platform='lever'", 'write platform="…"'),
        ('platform=="lever"', 'write platform="…"'),
        ("platform=~lever.*", 'write platform=~"…"'),
        ('platform="a" operation="b"', "a comma is missing before 'operation=\"b\"'"),
        ('platform=~"("', "'(' is no regular expression: missing ), unterminated"),
    ],
)
def test_what_is_no_matcher(text: str, expected: str):
    with pytest.raises(ValueError, match=r"write|comma|expression") as caught:
        parse_matchers(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a{1001}", "is no regular expression of RE2"),
        ("a{4294967296}", "is no regular expression"),
        ("(" * 90 + ")" * 90, None),
        ("a" * 201, "longer than 200"),
        ("(?i", "is no regular expression"),
        (r"(.*)(.*)(.*)\1\2\3", "of RE2: .* no backreferences"),
        ("(?P<a>x)(?P=a)", "of RE2: .* no backreferences"),
        ("((?=.*x)a)+", "no lookaround"),
        ("(?<!x)a", "no lookaround"),
        ("a++", "no possessive"),
        ("a{1000}{1000}", "is no regular expression"),
        ("(.*){0,500}", "too many repeats"),
        ("(x{500}y{500}){2}", "is no regular expression|too many repeats"),
        ("\ud800", "half a character"),
        ("([0-9a-f]+)+g", None),
        ("(a?){20}b", None),
        (".*.*.*.*x", None),
        ("a?" * 30 + "a" * 30, None),
        ("lever|ashby", None),
        ("(lever|ashby)?-eu", None),
        (r"GET /users/\d+/.*", None),
        (".*a.*b.*", None),
        ("p[0-4]{2}", None),
        ("[^/]{1,64}", None),
    ],
)
def test_a_pattern_that_is_none_or_may_take_for_ever_is_refused(pattern, expected):
    problem = pattern_problem(pattern)
    assert (problem is None) if expected is None else re.search(expected, problem)
    if expected is not None:
        with pytest.raises(ValueError, match=expected):
            parse_matchers(f'platform=~"{pattern}"')
        for operator in ("=~", "!~"):  # as an old row may have it
            assert not matches([Matcher(label="platform", operator=operator, value=pattern)], LEVER)


def test_more_matchers_than_a_limit_are_refused():
    one = 'operation=~"a|b"'
    assert len(parse_matchers(", ".join([one] * MAX_MATCHERS))) == MAX_MATCHERS
    with pytest.raises(ValueError, match=f"at most {MAX_MATCHERS}"):
        parse_matchers(", ".join([one] * (MAX_MATCHERS + 1)))
    with pytest.raises(ValueError, match="longer than"):
        parse_matchers(f'operation="{"a" * 10_000}"')


PARTS = st.sampled_from(
    [
        "a", "ab", ".", ".*", "(", ")", "[", "]", "|", "*", "+", "?", "{2,}", "{0,99}", "{500}",
        "é", r"\1", r"\d", r"\pL", r"\b", "\\", "(?i)", "(?=", "(?P<x>", "(?P=x)", "(?:", "^", "$",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(
    pattern=st.lists(PARTS, max_size=60).map("".join)
    | st.text(st.characters(), max_size=220),  # surrogates, too
    value=st.sampled_from(("a" * 1000, "ab" * 500, "é" * 500, "")) | st.text(max_size=100),
)
def test_no_pattern_takes_long_or_fails(pattern: str, value: str):
    began = time.process_time()
    problem = pattern_problem(pattern)
    found = [
        matches(
            [Matcher(label="operation", operator=operator, value=pattern)], {"operation": value}
        )
        for operator in ("=~", "!~")
    ]
    assert sum(found) == (problem is None)  # one of the two, or with no pattern none
    assert time.process_time() - began < 0.5


def test_five_hundred_silences_hold_no_alert_up():
    worst = "(.*a.*){40}b"
    assert pattern_problem(worst) is None
    silences = [Matcher(label="series", operator="=~", value=f"{worst}{at}") for at in range(500)]
    began = time.process_time()
    for alert in range(20):
        labels = {"series": f"{'abc' * 40}{alert}"}
        assert not any(matches([one], labels) for one in silences)
    assert (time.process_time() - began) / 20 < 0.2
