"""Read YAML so that every value still knows its line and column."""

from dataclasses import dataclass, field
from typing import Any

import yaml

#: More than a rule file ever has: what repeats aliases of aliases ends here.
_MAX_NODES = 200_000
_NO_TEXT = "half a character (\\ud800 to \\udfff): write the character itself"
_MERGE = "tag:yaml.org,2002:merge"

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True, kw_only=True)
class Mistake:
    """What is wrong at a place of the file, and what to write instead."""

    line: int
    column: int
    where: str
    text: str
    path: Path = field(default=(), compare=False)

    def __str__(self) -> str:
        where = f" {self.where}:" if self.where else ""
        end = "" if self.text.endswith(("?", "…")) else "."
        return f"{self.line}:{self.column}:{where} {self.text}{end}"


@dataclass
class Document:
    """The plain values of a YAML text, where each stands, and what YAML itself refuses."""

    body: Any = None
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key, or of an element of a list; from 1."""
    mistakes: list[tuple[Path, str]] = field(default_factory=list)
    broken: Mistake | None = None
    """The text is no YAML at all."""

    def place(self, path: Path) -> tuple[int, int]:
        """Return where the path stands, or else what holds it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


class _TooMuch(Exception):
    pass


def read(text: str) -> Document:
    """Return the document of a text; its mistakes stand in it."""
    document = Document()
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            document.body = _Reader(document, loader).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.broken = Mistake(line=line, column=column, where="", text=_told(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = "a character that YAML does not allow: remove it"
        document.broken = Mistake(line=line, column=1, where="", text=said)
    except _TooMuch:
        said = "aliases repeat too much: write the parts out"
        document.broken = Mistake(line=1, column=1, where="", text=said)
    except RecursionError:
        said = "nested too deeply: no rule file has so many levels"
        document.broken = Mistake(line=1, column=1, where="", text=said)
    finally:
        if loader is not None:
            loader.dispose()
    return document


def _told(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read"
    if "\\t" in problem:
        return "a tab: YAML wants spaces here"
    if "mapping values are not allowed" in problem:
        return "no YAML: a colon too much; put the value in quotes, or the line further in"
    context = f" ({error.context})" if error.context else ""
    return f"no YAML: {problem}{context}; look at the spaces and quotes of this line and before"


class _Reader:
    def __init__(self, document: Document, loader: yaml.SafeLoader) -> None:
        self._document = document
        self._loader = loader
        self._left = _MAX_NODES
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._left -= 1
        if self._left < 0 or id(node) in self._open:
            raise _TooMuch
        self._document.places.setdefault(path, _place(node))
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(each, (*path, at)) for at, each in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                several = isinstance(value, yaml.SequenceNode)
                for part in value.value if several else [value]:
                    held = self.value(part, path)
                    merged = {**(held if isinstance(held, dict) else {}), **merged}
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if not _is_text(name):
                self._document.mistakes.append((path, _NO_TEXT))
                continue
            here = (*path, name)
            if name in own:
                first = self._document.places[here][0]
                said = f"stands twice, the first time in line {first}: leave one out"
                self._document.mistakes.append((here, said))
                self._document.places[(*here, "")] = _place(key)
                continue
            self._document.places[here] = _place(key)
            own[name] = self.value(value, here)
        return merged | own

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if not _is_text(str(node.value)):
            self._document.mistakes.append((path, _NO_TEXT))
            return ""
        try:
            return self._loader.construct_object(node)
        except (yaml.MarkedYAMLError, ValueError, OverflowError):
            self._document.mistakes.append((path, "cannot be read: put it in quotes"))
            return str(node.value)


def _is_text(value: str) -> bool:
    """Return whether it can be written: a surrogate, half of a character, cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
