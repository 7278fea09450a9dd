"""Evaluate the expressions of `--map`, such as `request_time*1000`, on a row; no code is run.

What is allowed is listed here: columns, constants, + - * / %, comparisons, `in`, and, or, not,
`a if condition else b`, and a few functions.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from agents.replay.expression_values import (
    ExpressionError,
    added,
    contained,
    equal,
    number,
    ordered,
    template,
    text,
    truth,
)
from schemas.guesses import meant

#: Of an expression's text; nobody writes more, and Python's parser needs stack for it.
_MAX_LENGTH = 1_000
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
Row = Mapping[str, Any]
Evaluate = Callable[[Row], Any]


class Expression:
    """What a field of an operation is computed from."""

    def __init__(self, text: str) -> None:
        """Read an expression.

        Raises:
            ExpressionError: it is none that is allowed.
        """
        if len(text) > _MAX_LENGTH:
            raise ExpressionError(f"an expression has at most {_MAX_LENGTH} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = error.msg if isinstance(error, SyntaxError) else error
            raise ExpressionError(f"{text!r} is no expression: {why}") from None
        self._evaluate = _compiled(tree)

    def of(self, row: Row) -> Any:
        """Return its value for a row.

        Raises:
            ExpressionError: the row lacks a column, or holds what cannot be computed with.
        """
        try:
            return self._evaluate(row)
        except (ArithmeticError, TypeError, RecursionError) as error:
            raise ExpressionError(str(error)) from None


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: equal,
    ast.NotEq: lambda left, right: not equal(left, right),
    ast.Lt: ordered(operator.lt),
    ast.LtE: ordered(operator.le),
    ast.Gt: ordered(operator.gt),
    ast.GtE: ordered(operator.ge),
    ast.In: contained,
    ast.NotIn: lambda left, right: not contained(left, right),
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "number": number,
    "text": text,
    "lower": lambda value: text(value).lower(),
    "upper": lambda value: text(value).upper(),
    "path": lambda value: text(value).partition("?")[0],
    "template": lambda value: template(text(value)),
}
#: Returns the column of a name that is no word: column('time taken').
_COLUMN = "column"


def _compiled(node: ast.expr) -> Evaluate:
    """Return what computes the value of a node for a row.

    Raises:
        ExpressionError: the node is not allowed.
    """
    compile_node = _NODES.get(type(node))
    found = compile_node(node) if compile_node else None
    if found is None:
        functions = ", ".join([_COLUMN, *_FUNCTIONS])
        raise ExpressionError(
            f"{ast.unparse(node)!r} is not allowed: an expression has columns, constants,"
            f" + - * / %, comparisons, in, and, or, not, if else, and the functions {functions}"
        )
    return found


def _constant(node: ast.Constant) -> Evaluate | None:
    value = node.value
    is_plain = value is None or isinstance(value, bool | int | float | str)
    return (lambda _: value) if is_plain else None


def _name(node: ast.Name) -> Evaluate:
    return lambda row: _column(node.id, row)


def _attribute(node: ast.Attribute) -> Evaluate | None:
    """Return request.uri: of an object in a line of JSON, or of a column of that name."""
    if not isinstance(node.value, ast.Name | ast.Attribute):
        return None
    name, outer = ast.unparse(node), _compiled(node.value)

    def nested(row: Row) -> Any:
        if name in row:
            return row[name]
        inner = outer(row)
        if not isinstance(inner, Mapping) or node.attr not in inner:
            raise ExpressionError(f"there is no {name}")
        return inner[node.attr]

    return nested


def _binary(node: ast.BinOp) -> Evaluate | None:
    left, right = _compiled(node.left), _compiled(node.right)
    if isinstance(node.op, ast.Add):
        return lambda row: added(left(row), right(row))
    compute = _ARITHMETIC.get(type(node.op))
    if compute is None:
        return None
    return lambda row: compute(number(left(row)), number(right(row)))


def _unary(node: ast.UnaryOp) -> Evaluate | None:
    operand = _compiled(node.operand)
    if isinstance(node.op, ast.Not):
        return lambda row: not truth(operand(row))
    return (lambda row: -number(operand(row))) if isinstance(node.op, ast.USub) else None


def _boolean(node: ast.BoolOp) -> Evaluate:
    judge = all if isinstance(node.op, ast.And) else any
    values = [_compiled(value) for value in node.values]
    return lambda row: judge(truth(value(row)) for value in values)


def _conditional(node: ast.IfExp) -> Evaluate:
    test, body, orelse = _compiled(node.test), _compiled(node.body), _compiled(node.orelse)
    return lambda row: (body if truth(test(row)) else orelse)(row)


def _sequence(node: ast.Tuple | ast.List) -> Evaluate:
    elements = [_compiled(element) for element in node.elts]
    return lambda row: [element(row) for element in elements]


def _call(node: ast.Call) -> Evaluate | None:
    if not isinstance(node.func, ast.Name) or len(node.args) != 1 or node.keywords:
        return None
    argument, name = node.args[0], node.func.id
    if name == _COLUMN and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        column = argument.value
        return lambda row: _column(column, row)
    function = _FUNCTIONS.get(name)
    if function is None:
        return None
    value = _compiled(argument)
    return lambda row: function(value(row))


def _comparison(node: ast.Compare) -> Evaluate | None:
    pairs = list(zip(node.ops, map(_compiled, node.comparators), strict=True))
    first = _compiled(node.left)
    if not all(type(op) in _COMPARISONS for op, _ in pairs):
        return None

    def compared(row: Row) -> bool:
        left = first(row)
        for op, evaluate in pairs:
            right = evaluate(row)
            if not _COMPARISONS[type(op)](left, right):
                return False
            left = right
        return True

    return compared


#: What an expression may consist of, and what computes it.
_NODES: dict[type[ast.AST], Callable[[Any], Evaluate | None]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.Tuple: _sequence,
    ast.List: _sequence,
    ast.Call: _call,
    ast.Compare: _comparison,
}


def _column(name: str, row: Row) -> Any:
    try:
        return row[name]
    except KeyError:
        likely = meant(name, list(row))
        hint = f" (did you mean {likely[0]}?)" if len(likely) == 1 else ""
        raise ExpressionError(f"there is no {name}{hint}") from None
