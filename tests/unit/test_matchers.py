"""Label matchers, as Prometheus has them."""

import pytest

from schemas.matchers import matches, parse_matchers

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
