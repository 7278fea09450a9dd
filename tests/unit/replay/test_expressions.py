import ast
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.replay.cells import Cell, CommaCell
from agents.replay.expression_values import ExpressionError
from agents.replay.expressions import Expression
from agents.replay.field_map import FieldMap

ROW: dict[str, Any] = {
    "status": Cell("404"),
    "request_time": Cell("0.25"),
    "method": Cell("GET"),
    "empty": None,
    "truth": Cell("yes"),
    "request": {"uri": "/a/17?b=c", "tls": {"version": 772}},
    "time taken": Cell("7"),
    "comma": CommaCell("1.234,5"),
    "ok": True,
    "took": 3,
    "huge": Cell("1e400"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("request_time*1000", 250.0),
        ("request_time * 1000 + took", 253.0),
        ("-(took - 5) % 2", 0),
        ("took / 2", 1.5),
        ("status<400", False),
        ("400 <= status < 500", True),
        ("status in (200, 404)", True),
        ("status not in [200, 404]", False),
        ("status == '404' and ok", True),
        ("not truth", False),
        ("truth == True", True),
        ("'GET /x'", "GET /x"),
        ("method + ' ' + path(request.uri)", "GET /a/17"),
        ("template(request.uri)", "/a/{id}"),
        ("request.tls.version", 772),
        ("lower(method)", "get"),
        ("upper('a') + text(took)", "A3"),
        ("'G' in method", True),
        ("column('time taken') * 2", 14),
        ("comma * 2", 2469.0),
        ("number(status) + 1", 405),
        ("status + request_time", 404.25),
        ("status + ' ' + method", "404 GET"),
        ("'hit' if truth else 'miss'", "hit"),
        ("empty == None", True),
        ("None", None),
        ("7", 7),
    ],
)
def test_an_expression_has_this_value(text: str, value: Any):
    assert Expression(text).of(ROW) == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "'a'.join",
        "open('/etc/passwd')",
        "[x for x in y]",
        "lambda: 1",
        "(x := 1)",
        "a[0]",
        "f'{a}'",
        "b'x'",
        "1j",
        "...",
        "10 ** 10 ** 10",
        "1 << 10000",
        "lower(a, b)",
        "lower(x=1)",
        "column(a)",
        "a is b",
        "{'a': 1}",
        "await a",
        "*a",
        "a; b",
        "",
        "1 +",
        "(" * 300 + ")" * 300,
        "x" * 2000,
    ],
)
def test_what_else_python_has_is_refused_before_the_first_row(text: str):
    with pytest.raises(ExpressionError):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("missing * 2", "there is no missing"),
        ("methd == 'GET'", "there is no methd \\(did you mean method\\?\\)"),
        ("request.host", "there is no request.host"),
        ("took.x", "there is no took.x"),
        ("method * 2", "'GET' is no number"),
        ("empty * 2", "what is empty is no number"),
        ("took / 0", "division by zero"),
        ("huge * 1", "'1e400' is no number"),
        ("not method", "'GET' is neither true nor false"),
        ("request < 3", "not supported"),
        ("empty < 3", "what is empty cannot be compared"),
        ("lower(request)", "dict is no text"),
    ],
)
def test_a_row_without_what_it_needs_says_so(text: str, why: str):
    with pytest.raises(ExpressionError, match=why):
        Expression(text).of(ROW)


NODES = st.recursive(
    st.sampled_from(
        ["status", "request_time", "method", "empty", "took", "1", "0.5", "'x'", "None"]
    ),
    lambda inner: st.builds(
        "({}{}{})".format,
        inner,
        st.sampled_from(
            [" + ", "*", "/", "%", "-", "<", "==", " in ", " and ", " or ", " if 1 else "]
        ),
        inner,
    ),
    max_leaves=8,
)


@given(NODES)
def test_an_expression_has_a_value_or_says_why_not(text: str):
    with suppress(ExpressionError):
        Expression(text).of(ROW)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_is_refused(text: str):
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    ast.parse(text.strip(), mode="eval")
    with suppress(ExpressionError):
        expression.of({})


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("site=platform", {"platform": "lever"}),
        ("operation=platform", {"platform": "parse"}),  # the column, as it always was
        ("platform=site", {"platform": "lever"}),
        ("success=status==200", {"success": True}),
        ("success=status<=200", {"success": True}),
        ("operation='GET /x=y'", {"operation": "GET /x=y"}),
        ("duration_ms=0", {"duration_ms": 0}),
    ],
)
def test_a_mapping_is_a_column_or_an_expression(text: str, fields: dict[str, Any]):
    row = {"site": "lever", "status": 200, "operation": "parse"}
    made = FieldMap([text]).apply(row)
    assert {name: made[name] for name in fields} == fields


@pytest.mark.parametrize("text", ["a", "a=", "=a", "a=b", "duration_ms=", "site = ", "x=y=z"])
def test_a_mapping_of_no_field_is_refused(text: str):
    with pytest.raises(ExpressionError):
        FieldMap([text])
