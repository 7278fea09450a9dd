"""Templates for messages: a part of Jinja that cannot run for long.

Jinja only reads the text. What it reads is a tree, and every node that is not on the list here is
refused: no calls, assignments, macros, includes, `*`, `**` or `%`, no loop in a loop.
"""

from functools import lru_cache

import jinja2
from jinja2 import nodes

MAX_SOURCE = 8000
MAX_DEPTH = 50
#: A float has no more digits.
MAX_PRECISION = 15
#: Integers in a template, also computed ones, are smaller.
MAX_INTEGER = 2**63

ALLOWED = (
    "write values such as {{ observed }}, filters ({{ labels.team|upper }}), {% if %} and one"
    " {% for %}"
)
FILTERS = frozenset(
    {
        "abs",
        "capitalize",
        "count",
        "d",
        "default",
        "dictsort",
        "first",
        "float",
        "int",
        "items",
        "join",
        "last",
        "length",
        "lower",
        "replace",
        "round",
        "sort",
        "string",
        "title",
        "trim",
        "truncate",
        "unique",
        "upper",
    }
)
TESTS = frozenset({"defined", "undefined", "none", "true", "false", "number", "string", "mapping"})
NODES = frozenset(
    {
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Name,
        nodes.Getattr,
        nodes.Getitem,
        nodes.Const,
        nodes.Filter,
        nodes.Test,
        nodes.Compare,
        nodes.Operand,
        nodes.And,
        nodes.Or,
        nodes.Not,
        nodes.If,
        nodes.For,
        nodes.CondExpr,
        nodes.Concat,
        nodes.Add,
        nodes.Sub,
        nodes.Div,
        nodes.Neg,
        nodes.Pos,
        nodes.Tuple,
        nodes.List,
        nodes.Slice,
        nodes.Keyword,
    }
)


class BadTemplate(ValueError):
    """A text is not a template for messages; the error says why, without a full stop."""


class NotJinja(BadTemplate):
    """Jinja cannot parse the text."""


@lru_cache(maxsize=2_000)
def parse(source: str) -> nodes.Template:
    """Return the tree of a template.

    Raises:
        BadTemplate: it is not one.
    """
    if len(source) > MAX_SOURCE:
        message = f"it is longer than {MAX_SOURCE} characters"
        raise BadTemplate(message)
    try:
        tree = _ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        message = f"{(error.message or '').rstrip('.')} (its line {error.lineno})"
        raise NotJinja(message) from None
    except RecursionError:
        message = "it is nested too deeply"
        raise BadTemplate(message) from None
    except ValueError:  # a number of more digits than Python reads
        message = "it holds a number of too many digits"
        raise BadTemplate(message) from None
    _check(tree, 0, in_loop=False)
    return tree


def _check(node: nodes.Node, depth: int, *, in_loop: bool) -> None:
    line = f"line {node.lineno}: "
    why = None
    if type(node) not in NODES:
        why = f"{type(node).__name__.lower()} is not for messages: {ALLOWED}"
    elif depth > MAX_DEPTH:
        why = "it is nested too deeply"
    elif isinstance(node, nodes.Filter | nodes.Test):
        why = _unknown(node)
    elif isinstance(node, nodes.Const) and type(node.value) is int:
        why = "a number is too large" if abs(node.value) >= MAX_INTEGER else None
    elif isinstance(node, nodes.For):
        why = "a loop inside a loop is not for messages" if node.recursive or in_loop else None
        in_loop = True
    if why is not None:
        raise BadTemplate(line + why)
    for child in node.iter_child_nodes():
        _check(child, depth + 1, in_loop=in_loop)


def _unknown(node: nodes.Filter | nodes.Test) -> str | None:
    kind, allowed = ("filter", FILTERS) if isinstance(node, nodes.Filter) else ("test", TESTS)
    if node.name not in allowed:
        return f"there is no {kind} {node.name[:40]!r} for messages: {', '.join(sorted(allowed))}"
    if isinstance(node, nodes.Filter) and node.node is None:
        return f"{{% filter %}} is not for messages: {ALLOWED}"
    if node.name == "round" and not all(map(_is_precision, _arguments(node, "precision"))):
        return f"round wants -{MAX_PRECISION} to {MAX_PRECISION} digits"
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"arguments with a star are not for messages: {ALLOWED}"
    return None


def _arguments(node: nodes.Filter | nodes.Test, name: str) -> list[nodes.Expr]:
    """Return the first argument, and the one of that name."""
    return [*node.args[:1], *(pair.value for pair in node.kwargs if pair.key == name)]


def _is_precision(node: nodes.Expr) -> bool:
    """Return whether it may be a number of digits; of a computed one nobody knows yet."""
    value = node.node if isinstance(node, nodes.Neg | nodes.Pos) else node
    if not isinstance(value, nodes.Const):
        return True
    return type(value.value) is int and abs(value.value) <= MAX_PRECISION


_ENVIRONMENT = jinja2.Environment(autoescape=False)  # noqa: S701 - it only parses
