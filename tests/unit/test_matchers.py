"""Label matchers, as Prometheus has them."""

import pytest

from schemas.commands import Matcher
from schemas.matchers import matches, parse_matchers, pattern_problem

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
        ("a{4294967296}", "is no regular expression"),
        ("(" * 90 + ")" * 90, None),
        ("a" * 201, "longer than 200"),
        ("(?i", "is no regular expression"),
        ("([0-9a-f]+)+g", "a repeat inside a repeat"),
        ("(lever|l|e|v|r|.)*-eu", "alternatives inside a repeat"),
        ("(a?){20}b", "a repeat inside a repeat"),
        ("((?=.*x)a)+", "a repeat inside a repeat"),
        (".*.*.*.*x", "too many"),
        ("a?" * 30 + "a" * 30, "too many"),
        ("(a|ab)(c|bcd)" * 12, "too many"),
        ("lever|ashby", None),
        ("(lever|ashby)?-eu", None),
        (r"GET /users/\d+/.*", None),
        (".*a.*b.*", None),
        ("p[0-4]{2}", None),
    ],
)
def test_a_pattern_that_is_none_or_may_take_for_ever_is_refused(pattern, expected):
    problem = pattern_problem(pattern)
    assert (problem is None) if expected is None else expected in problem
    if expected is not None:
        with pytest.raises(ValueError, match=expected):
            parse_matchers(f'platform=~"{pattern}"')
        for operator in ("=~", "!~"):  # as an old row may have it
            assert not matches([Matcher(label="platform", operator=operator, value=pattern)], LEVER)
