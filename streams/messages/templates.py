"""Render an operator's template where it can do no harm: no calls, no big results, no long loops.

A template is read by what Jinja parses it into: what is not on the list here is refused before it
runs, so that `config check` says so rather than the page that could not be written.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 8000
MAX_RESULT = 8000
MAX_DEPTH = 50

#: Not Call, Assign, Macro, Include, Import or Mul: a doubling, an endless loop or a file is made
#: of these.
_NODES = (
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
    nodes.Tuple,
    nodes.List,
    nodes.Slice,
    nodes.Keyword,
)
_FILTERS = (
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
)


class TemplateFailed(Exception):
    """A template does not fit or did not render; the text says why."""


def render(source: str, values: Mapping[str, object]) -> str:
    """Return the template with the values in it, at most `MAX_RESULT` characters.

    Raises:
        TemplateFailed: it does not fit, names what there is not, or grew too large.
    """
    _parsed(source)
    try:
        return _joined(_compiled(source).generate(**values))
    except TemplateFailed:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a template runs into, the page goes out
        raise TemplateFailed(f"{type(error).__name__}: {str(error)[:200]}") from None


def _joined(parts: Iterable[str]) -> str:
    joined = ""
    for part in parts:
        joined += part
        if len(joined) > MAX_RESULT:
            raise TemplateFailed(f"it wrote more than {MAX_RESULT} characters.")
    return joined


def _parsed(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise TemplateFailed(f"it is longer than {MAX_SOURCE} characters.")
    try:
        tree = _ENVIRONMENT.parse(source)
        _check(tree, 0, in_loop=False)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFailed(f"line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise TemplateFailed("it is nested too deeply.") from None


def _check(node: nodes.Node, depth: int, *, in_loop: bool) -> None:
    line = f"line {node.lineno}: "
    if not isinstance(node, _NODES):
        raise TemplateFailed(f"{line}{type(node).__name__.lower()} is not for messages.")
    if depth > MAX_DEPTH:
        raise TemplateFailed(f"{line}it is nested too deeply.")
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        raise TemplateFailed(f"{line}there is no filter {node.name!r} for messages.")
    if isinstance(node, nodes.For):
        if node.recursive or in_loop:
            raise TemplateFailed(f"{line}a loop inside a loop is not for messages.")
        in_loop = True
    for child in node.iter_child_nodes():
        _check(child, depth + 1, in_loop=in_loop)


def _limited(filtered: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filtered)
    def limited(*given: Any, **named: Any) -> Any:
        result = filtered(*given, **named)
        if isinstance(result, str) and len(result) > MAX_RESULT:
            raise TemplateFailed(f"a filter wrote more than {MAX_RESULT} characters.")
        return result

    return limited


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters = {name: _limited(environment.filters[name]) for name in _FILTERS}
    return environment


_ENVIRONMENT = _environment()


@functools.lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)
