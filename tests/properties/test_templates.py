"""Whatever an operator writes as a template, reading and rendering it ends soon."""

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import templates as language
from schemas.rule_file_checks import template
from streams.channels.template_values import FILTERS, TESTS
from streams.channels.templates import MAX_RESULT, TemplateFailed, render
from streams.channels.wording import values
from tests.effort import examples
from tests.unit.messages.samples import message

VALUES = {
    **values(message()),
    "text": "t" * 8000,
    "words": "a b " * 1000,
    "many": ["u" * 300] * 200,
    "n": 2**62,
    "f": 1e308,
    "labels": {f"label{at}": "v" * 100 for at in range(50)},
}
#: Thirty times what the slowest takes; the machine may be busy.
SOON_S = 2.0

LITERALS = st.sampled_from(
    ("0", "1", "-999999999", "999999999", "1e308", "1e999", "9" * 30, "9" * 5000, "''", "'t'", "[]")
)
NAMES = st.sampled_from((*VALUES, "nobody", "loop", "one", "self", "labels.label1", "range"))
ATOMS = LITERALS | NAMES | st.text("tu'\\{}%#", max_size=5).map(lambda text: f"'{text}'")


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    filters = st.sampled_from((*sorted(FILTERS), "center", "format", "tojson", "map", "wordwrap"))
    arguments = st.lists(inner, max_size=3).map(", ".join)
    signs = st.sampled_from(("+", "-", "*", "/", "//", "**", "%", "~", "<", "==", "in", "and"))
    return st.one_of(
        st.builds("({} {} {})".format, inner, signs, inner),
        st.builds("{}|{}".format, inner, filters),
        st.builds("{}|{}({})".format, inner, filters, arguments),
        st.builds("{} is {}".format, inner, st.sampled_from(sorted(TESTS))),
        st.builds("[{}]".format, arguments),
        st.builds("({})[{}:{}]".format, inner, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, inner, arguments),
    )


EXPRESSIONS = st.recursive(ATOMS, _larger, max_leaves=12)
OUTPUTS = st.builds("{{{{ {} }}}}".format, EXPRESSIONS)


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, max_size=4).map("".join)
    return st.one_of(
        body,
        st.builds("{{% if {} %}}{}{{% endif %}}".format, EXPRESSIONS, body),
        st.builds("{{% for one in {} %}}{}{{% endfor %}}".format, EXPRESSIONS, body),
        st.builds("{{% for a, b in {} if {} %}}{}{{% endfor %}}".format, NAMES, EXPRESSIONS, body),
        st.builds("{{% set one = {} %}}{}".format, EXPRESSIONS, body),
        st.builds("{{% macro m() %}}{}{{{{ m() }}}}{{% endmacro %}}{{{{ m() }}}}".format, body),
        st.builds("{{% filter upper %}}{}{{% endfilter %}}".format, body),
    )


TEMPLATES = st.recursive(OUTPUTS | st.text(max_size=20), _blocks, max_leaves=10)
GARBAGE = st.lists(
    st.sampled_from(
        ("{{", "}}", "{%", "%}", "{#", "#}", "-", "raw", "endraw", "for", "in", "(", "'")
    )
    | st.text(max_size=4),
    max_size=60,
).map(" ".join)


def _soon(work: Callable[[], object]) -> None:
    began = time.process_time()
    work()
    assert time.process_time() - began < SOON_S


@settings(deadline=None, max_examples=examples(200))
@given(source=TEMPLATES | GARBAGE | st.text())
def test_reading_and_rendering_end_soon_with_a_text_or_a_sentence(source: str) -> None:
    def check_and_render() -> None:
        readable = True
        try:
            template(source)
        except ValueError:
            readable = False
        try:
            written = render(source, VALUES)
        except TemplateFailed:
            pass
        else:
            assert readable
            assert len(written) <= MAX_RESULT

    _soon(check_and_render)


@pytest.mark.parametrize(
    "unit",
    [
        "{", "{{", "{%", "{#", "{% raw %}", "{% if n %}", "(", "[", "{{ n }}", "{{ -", "{{ ''~",
        "{{'", "{{ text|sort }}",
        "{{ n|upper", "{% for a in text %}", "not ", "{{ '\\", "{#-", "a.", "\n",
        "{{ [text]*", "{%-", "-%}", "{{ 1 ", "{{ n if ", "{{ {", "{{ n[", " ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["", " }}", ")", " %}", "{% endraw %}"])
def test_a_long_repetition_ends_soon(unit: str, end: str) -> None:
    source = (unit * language.MAX_SOURCE)[: language.MAX_SOURCE - len(end)] + end

    def check_and_render() -> None:
        with contextlib.suppress(TemplateFailed):
            render(source, VALUES)

    _soon(check_and_render)


def test_every_filter_and_test_that_passes_the_check_can_be_rendered() -> None:
    assert set(FILTERS) == set(language.FILTERS)
    assert set(TESTS) == set(language.TESTS)
