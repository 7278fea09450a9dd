import time

import pytest

from schemas.templates import BadTemplate, parse
from streams.channels.templates import MAX_RESULT, TemplateFailed, render

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
        (
            "{% for k, v in labels|dictsort %}{{ loop.index }} {{ k }}={{ v }}{% endfor %}",
            "1 team=search",
        ),
        ("{% for one in others if one != 'a' %}{{ one }}{% else %}none{% endfor %}", "b"),
        ("{% for one in [] %}x{% else %}none{% endfor %}", "none"),
        ("{{ labels['team'][:3] ~ '!' if n is number and 'team' in labels }}", "sea!"),
        ("{{ (others + ['a'])|unique|join(', ') }}", "a, b"),
        ("{{ text|truncate(9) }} {{ others|first }} {{ -n|abs }}", "tttttt... a 3"),
        ("{{ labels.owner is defined }} {{ 'x y'|title }} {{ 1 < n <= 3 }}", "False X Y True"),
        ("{% if n == 1 %}1{% elif n == 3 %}3{% endif %}{{ 2.5|round(0, 'ceil') }}", "33.0"),
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
        "{{ n|round(-999999999) }}",
        "{{ n|round(999999999) }}",
        "{{ n|round(precision=-999999999, method='floor') }}",
        "{{ n|round(n - 99999) }}",
        "{{ " + "9" * 5000 + " }}",
        "{{ '" + "9" * 4000 + "'|int }}",
        "{{ text|replace('', text) }}",
        "{{ text|replace('t', text)|replace('t', text) }}",
        "{{ text|upper(*others) }}",
        "{% for c in text %}" + "{{ text|lower|upper|title }}" * 9 + "{% endfor %}",
        "{% for c in text %}{% if text|sort|join == text|sort|join %}{% endif %}{% endfor %}",
        "{% for c in text %}{% if n %}{% endif %}{% if n %}{% endif %}{% endfor %}" * 9,
        "{% filter upper %}x{% endfilter %}",
        "{% for a in text if text|sort %}{% endfor %}",
        "{{ text|wordwrap(1) }}",
        "{{ n is divisibleby(0) }}",
        "{{ labels|tojson }}",
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
    began = time.process_time()
    with pytest.raises(TemplateFailed):
        render(source, VALUES)
    assert time.process_time() - began < 1


def test_a_result_may_be_just_so_long():
    assert len(render("{{ x }}", {"x": "y" * MAX_RESULT})) == MAX_RESULT


@pytest.mark.parametrize("digits", ["-999999999", "999999999", "-16", "16", "1.5", "'1'", "none"])
@pytest.mark.parametrize("written", ["{}", "precision={}", "{}, 'floor'"])
def test_the_check_refuses_digits_that_no_number_has(digits, written):
    with pytest.raises(BadTemplate, match="line 1: round wants -15 to 15 digits"):
        parse(f"{{{{ samples|round({written.format(digits)}) }}}}")
    assert render("{{ n|round(-1) }} {{ 240|round(-2) }}", VALUES) == "0 200"
