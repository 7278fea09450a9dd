"""Render an operator's template in bounded time: each step and each character costs something.

The tree that `schemas.templates` lets through is walked here; none of Jinja's code runs. A
template sees plain values only: texts, numbers, lists and dictionaries.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from schemas.templates import BadTemplate, parse
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

__all__ = ["MAX_RESULT", "MAX_STEPS", "TemplateFailed", "render"]

#: About ten milliseconds.
MAX_STEPS = 10_000
#: A step's worth of handling text.
_CHARACTERS_A_STEP = 16


class TemplateFailed(Exception):
    """A template does not fit or did not render; the text says why."""


def render(source: str, values: Mapping[str, object]) -> str:
    """Return the template with the values in it, at most `MAX_RESULT` characters.

    Raises:
        TemplateFailed: it does not fit, names what there is not, grew too large or took too long.
    """
    try:
        tree = parse(source)
        return _Rendering(values).render(tree)
    except (BadTemplate, Failed) as failure:
        raise TemplateFailed(str(failure)) from None
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        # A filter does not take its argument.
        raise TemplateFailed(f"{type(error).__name__}: {str(error)[:200]}") from None


class _Rendering:
    def __init__(self, values: Mapping[str, object]) -> None:
        self._names: dict[str, Any] = dict(values)
        self._left = MAX_STEPS
        self._written: list[str] = []
        self._length = 0

    def render(self, tree: nodes.Template) -> str:
        self._run(tree.body)
        return "".join(self._written)

    def _run(self, body: list[nodes.Node]) -> None:
        for node in body:
            self._spend(1)
            if isinstance(node, nodes.Output):
                for part in node.nodes:
                    self._write(part)
            elif isinstance(node, nodes.If):
                self._run(self._branch(node))
            elif isinstance(node, nodes.For):
                self._loop(node)

    def _write(self, part: nodes.Node) -> None:
        text = part.data if isinstance(part, nodes.TemplateData) else self._text(part)
        self._spend(1 + len(text) // _CHARACTERS_A_STEP)
        self._written.append(text)
        self._length += len(text)
        if self._length > MAX_RESULT:
            message = f"it wrote more than {MAX_RESULT} characters"
            raise Failed(message)

    def _text(self, node: nodes.Node) -> str:
        return str(usable(self._value(node)))

    def _branch(self, node: nodes.If) -> list[nodes.Node]:
        for branch in (node, *node.elif_):
            if usable(self._value(branch.test)):
                return branch.body
        return node.else_

    def _loop(self, node: nodes.For) -> None:
        outside = self._names
        elements = list(usable(self._value(node.iter)))
        self._spend(len(elements))
        if node.test is not None:
            chosen = []
            for held in elements:
                self._names = outside | _named(node.target, held)
                if usable(self._value(node.test)):
                    chosen.append(held)
            elements = chosen
        last = len(elements) - 1
        for at, held in enumerate(elements):
            position = {
                "index": at + 1,
                "index0": at,
                "first": at == 0,
                "last": at == last,
                "length": last + 1,
            }
            self._names = outside | {"loop": position} | _named(node.target, held)
            self._run(node.body)
        self._names = outside
        if not elements:
            self._run(node.else_)

    def _value(self, node: nodes.Node) -> Any:
        """Return what an expression is; a text of it is never longer than `MAX_RESULT`."""
        self._spend(1)
        value = bounded(self._evaluated(node))
        if isinstance(value, str):
            self._spend(len(value) // _CHARACTERS_A_STEP)
        elif isinstance(value, list | tuple | dict):
            self._spend(len(value))
        return value

    def _evaluated(self, node: nodes.Node) -> Any:  # noqa: C901 - a case a node
        value = self._value
        match node:
            case nodes.Const():
                return node.value
            case nodes.Name():
                return self._names.get(node.name, Undefined(f"{node.name!r} is undefined"))
            case nodes.Getattr():
                return element(usable(value(node.node)), node.attr)
            case nodes.Getitem(arg=nodes.Slice() as part):
                return sliced(usable(value(node.node)), *self._bounds(part))
            case nodes.Getitem():
                return element(usable(value(node.node)), usable(value(node.arg)))
            case nodes.Filter():
                return self._filtered(node)
            case nodes.Test():
                arguments = [usable(value(argument)) for argument in node.args]
                return TESTS[node.name](value(node.node), *arguments)
            case nodes.Compare():
                return self._compared(node)
            case nodes.And():
                left = usable(value(node.left))
                return usable(value(node.right)) if left else left
            case nodes.Or():
                left = usable(value(node.left))
                return left or usable(value(node.right))
            case nodes.Not():
                return not usable(value(node.node))
            case nodes.CondExpr():
                if usable(value(node.test)):
                    return value(node.expr1)
                return "" if node.expr2 is None else value(node.expr2)
            case nodes.Concat():
                return "".join(self._text(part) for part in node.nodes)
            case nodes.Add():
                return added(usable(value(node.left)), usable(value(node.right)))
            case nodes.Sub():
                return subtracted(usable(value(node.left)), usable(value(node.right)))
            case nodes.Div():
                return divided(usable(value(node.left)), usable(value(node.right)))
            case nodes.Neg():
                return subtracted(0, usable(value(node.node)))
            case nodes.Pos():
                return added(0, usable(value(node.node)))
            case nodes.Tuple() | nodes.List():
                return [usable(value(item)) for item in node.items]
        message = f"line {node.lineno}: {type(node).__name__.lower()} is not for messages"
        raise Failed(message)

    def _filtered(self, node: nodes.Filter) -> Any:
        assert node.node is not None
        filtered = self._value(node.node)
        if node.name not in ("default", "d"):
            usable(filtered)
        arguments = [usable(self._value(argument)) for argument in node.args]
        named = {str(pair.key): usable(self._value(pair.value)) for pair in node.kwargs}
        return FILTERS[node.name](filtered, *arguments, **named)

    def _compared(self, node: nodes.Compare) -> bool:
        left = usable(self._value(node.expr))
        for operand in node.ops:
            right = usable(self._value(operand.expr))
            if not OPERATORS[operand.op](left, right):
                return False
            left = right
        return True

    def _bounds(self, node: nodes.Slice) -> list[Any]:
        return [
            None if bound is None else usable(self._value(bound))
            for bound in (node.start, node.stop, node.step)
        ]

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            message = "it took too many steps"
            raise Failed(message)


def _named(target: nodes.Node, held: Any) -> dict[str, Any]:
    if isinstance(target, nodes.Name):
        return {target.name: held}
    assert isinstance(target, nodes.Tuple)
    names = [item.name for item in target.items if isinstance(item, nodes.Name)]
    if not isinstance(held, list | tuple) or len(names) != len(held):
        message = f"what it loops over has not {len(target.items)} parts each"
        raise Failed(message)
    return dict(zip(names, held, strict=True))
