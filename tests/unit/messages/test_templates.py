import time

import pytest

from streams.messages.templates import MAX_RESULT, TemplateFailed, render

VALUES = {"labels": {"team": "search"}, "others": ["a", "b"], "text": "t" * 1000, "n": 3}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ labels.team|upper }}", "SEARCH"),
        ("{% for one in others %}- {{ one }}\n{% endfor %}", "- a\n- b\n"),
        ("{% if n > 2 %}many{% else %}few{% endif %}", "many"),
        ("{{ labels.get }}", None),
        ("{{ labels.owner|default('nobody') }}", "nobody"),
        ("{{ '%.1f' }} {{ (n / 2)|round(1) }}", "%.1f 1.5"),
    ],
)
def test_what_a_message_needs_works(source, expected):
    if expected is not None:
        assert render(source, VALUES) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ labels.__class__ }}",
        "{{ range(10) }}",
        "{{ labels.clear() }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 2 ** 1000000 }}",
        "{{ '%999999999d' % 1 }}",
        "{% set x = text ~ text %}{{ x }}",
        "{% for a in text %}{% for b in text %}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as x %}",
        "{{ text|center(100000000) }}",
        "{{ text|format(1) }}",
        "{{ others|map('upper')|join }}",
        "{% for one in others recursive %}{{ loop(others) }}{% endfor %}",
        "{{ nobody }}",
        "{{ labels.nobody }}",
        "{{ 1 / 0 }}",
        "{% if %}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "-" * 3000 + "1 }}",
        "x" * 9000,
        "{{ text|join(text) }}",
        "{{ text ~ text ~ text ~ text ~ text ~ text ~ text ~ text ~ text }}",
        "{% for c in text %}{{ text }}{% endfor %}",
    ],
)
def test_what_could_do_harm_fails_soon(source):
    began = time.monotonic()
    with pytest.raises(TemplateFailed):
        render(source, VALUES)
    assert time.monotonic() - began < 1


def test_a_result_may_be_just_so_long():
    assert len(render("{{ x }}", {"x": "y" * MAX_RESULT})) == MAX_RESULT
