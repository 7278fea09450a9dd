"""Read YAML 1.2 so that every value still knows its line and column, in time its size bounds."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 30
#: Of a list or a mapping. It is also the most rules that a file can have.
MAX_ELEMENTS = 1_000
MAX_SCALAR = 10_000
_MAX_KEY = 200
#: A number of more digits is read by no one, and by Python in the square of their number.
_MAX_DIGITS = 100
#: More than a rule file ever has: what repeats aliases of aliases ends here.
_MAX_NODES = 100_000
#: libyaml is eight times as fast. Of a short text the errors are those of the other, which says
#: more.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHORT = 50_000
_TOO_MANY = (
    f"one more than {MAX_ELEMENTS:,} rules, fields or elements, which is the most there can be"
)
_NO_TEXT = "half a character (\\ud800 to \\udfff): write the character itself"
_MERGE = "tag:yaml.org,2002:merge"
_TAG = "tag:yaml.org,2002:"
_TEXT = f"{_TAG}str"
_TOO_LONG = f"longer than {MAX_BYTES:,} bytes, which is the most a file may have"

#: https://yaml.org/spec/1.2.2/#103-core-schema: 0500 is five hundred, 2:30 and yes are text.
_CORE = {
    "null": re.compile(r"null|Null|NULL|~|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
    "merge": re.compile("<<"),
}
#: Below it a float holds every whole number.
_MAX_WHOLE = 2**53


def _whole(text: str) -> int:
    """Return a whole number; a zero in front does not make it octal."""
    bases = {"0o": 8, "0x": 16}
    return int(text, bases.get(text[:2], 10))


def _real(text: str) -> int | float:
    """Return a number; `1e3` is a whole one, where whole ones are wanted."""
    value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    is_whole = "." not in text and abs(value) < _MAX_WHOLE and value.is_integer()
    return int(value) if is_whole else value


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _whole,
    "float": _real,
    "merge": str,
}


def _of_the_core_schema(loader: Any) -> Any:
    """Return the loader, reading scalars as YAML 1.2 does; its own way is that of 1.1."""
    kind: Any = type(f"Core{loader.__name__}", (loader,), {"yaml_implicit_resolvers": {}})
    for tag, pattern in _CORE.items():
        kind.add_implicit_resolver(_TAG + tag, re.compile(f"^(?:{pattern.pattern})$"), None)
    return kind


_Loader, _SlowLoader = _of_the_core_schema(_FAST), _of_the_core_schema(yaml.SafeLoader)

YamlPath = tuple[str | int, ...]


@dataclass(frozen=True, order=True, kw_only=True)
class Mistake:
    """What is wrong at a place of the file, and what to write instead."""

    line: int
    column: int
    where: str
    text: str
    path: YamlPath = field(default=(), compare=False)

    def __str__(self) -> str:
        where = f" {self.where}:" if self.where else ""
        end = "" if self.text.endswith(("?", "…")) else "."
        return f"{self.line}:{self.column}:{where} {self.text}{end}"


@dataclass
class Document:
    """The plain values of a YAML text, where each stands, and what YAML itself refuses."""

    body: Any = None
    places: dict[YamlPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key, or of an element of a list; from 1."""
    mistakes: list[tuple[YamlPath, str]] = field(default_factory=list)
    broken: Mistake | None = None
    """Why nothing of the text can be read."""
    is_no_yaml: bool = False

    def place(self, path: YamlPath) -> tuple[int, int]:
        """Return where the path stands, or else what holds it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


class _TooMuch(Exception):
    def __init__(self, text: str, event: yaml.Event | None = None) -> None:
        super().__init__(text)
        self.place = (1, 1) if event is None else _place(event)


def read(text: str) -> Document:
    """Return the document of a text; its mistakes stand in it."""
    if len(text) > MAX_BYTES:
        return Document(broken=Mistake(line=1, column=1, where="", text=_TOO_LONG))
    document = _read(text, _Loader)
    if document.is_no_yaml and len(text) <= _SHORT:
        return _read(text, _SlowLoader)
    return document


def _read(text: str, kind: Any) -> Document:
    document = Document()
    loader = None
    try:
        _refuse_shape(yaml.parse(text, Loader=kind))  # first: libyaml's recursion has no end
        loader = kind(text)
        node = loader.get_single_node()
        if node is not None:
            document.body = _Reader(document).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.broken = Mistake(line=line, column=column, where="", text=_refusal(error))
        document.is_no_yaml = True
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        text = "a character that YAML does not allow: remove it"
        document.broken = Mistake(line=line, column=1, where="", text=text)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        document.broken = Mistake(line=line, column=1, where="", text=_NO_TEXT)
    except _TooMuch as error:
        line, column = error.place
        document.broken = Mistake(line=line, column=column, where="", text=str(error))
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _refuse_shape(events: Iterator[yaml.Event]) -> None:
    """Refuse what is nested too deeply or has too many elements, without reading it all."""
    left: list[int] = []
    documents = 0
    for at, event in enumerate(events):
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            return  # which is a mistake by itself
        if at > 2 * _MAX_NODES:
            text = "too many values for a rule file"
            raise _TooMuch(text, event)
        if isinstance(event, yaml.NodeEvent) and left:
            left[-1] -= 1
            if left[-1] < 0:
                raise _TooMuch(_TOO_MANY, event)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(left) == MAX_DEPTH:
                text = "nested too deeply for a rule file"
                raise _TooMuch(text, event)
            of_two = isinstance(event, yaml.MappingStartEvent)
            left.append(MAX_ELEMENTS * (2 if of_two else 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            left.pop()


def _refusal(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read"
    if "\\t" in problem:
        return "a tab: YAML wants spaces here"
    if "mapping values are not allowed" in problem:
        return "no YAML: a colon too much; put the value in quotes, or the line further in"
    context = f" ({error.context})" if error.context else ""
    return f"no YAML: {problem}{context}; look at the spaces and quotes of this line and before"


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = _MAX_NODES
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: YamlPath) -> Any:
        self._left -= 1
        if self._left < 0 or id(node) in self._open:
            text = "aliases repeat too much: write the parts out"
            raise _TooMuch(text)
        self._document.places.setdefault(path, _place(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(element, (*path, at)) for at, element in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: YamlPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                several = isinstance(value, yaml.SequenceNode)
                for part in value.value if several else [value]:
                    fields = self.value(part, path)
                    merged = {**(fields if isinstance(fields, dict) else {}), **merged}
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if not _is_text(name):
                self._document.mistakes.append((path, _NO_TEXT))
                continue
            if len(name) > _MAX_KEY:
                text = f"a name here is longer than {_MAX_KEY} characters"
                self._document.mistakes.append((path, text))
                continue
            here = (*path, name)
            if name in own:
                first = self._document.places[here][0]
                text = f"stands twice, the first time in line {first}: leave one out"
                self._document.mistakes.append((here, text))
                self._document.places[(*here, "")] = _place(key)
                continue
            self._document.places[here] = _place(key)
            own[name] = self.value(value, here)
        return merged | own

    def _scalar(self, node: yaml.Node, path: YamlPath) -> Any:
        text = str(node.value)
        if not _is_text(text):
            self._document.mistakes.append((path, _NO_TEXT))
            return ""
        if len(text) > MAX_SCALAR:
            text = f"is longer than {MAX_SCALAR:,} characters"
            self._document.mistakes.append((path, text))
            return ""
        if node.tag == _TEXT:
            return text
        kind = node.tag.removeprefix(_TAG)
        if kind in _CORE and len(text) <= _MAX_DIGITS and _CORE[kind].fullmatch(text):
            return _VALUES[kind](text)
        self._document.mistakes.append((path, "cannot be read: put it in quotes"))
        return text


def _is_text(value: str) -> bool:
    """Return whether it can be written: a surrogate, half of a character, cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(node: yaml.Node | yaml.Event) -> tuple[int, int]:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
