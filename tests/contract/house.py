"""Find where the tree departs from docs/glossary.md and CONTRIBUTING.md.

`python -m tests.contract.house [TREE [FOLDER ...]]` lists the departures by room.
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

ROOTS = (
    *("schemas", "streams", "agents", "gateway", "dashboard", "client", "stack"),
    *("examples", "benchmarks"),
)
#: Where a class may have its name alone.
NAMED_ONCE = ("schemas", "streams", "agents")
PROSE = (".py", ".md", ".toml")

#: The words that each stood for several things; docs/glossary.md has the words for each of these.
BANNED = frozenset(
    ["told", "untold", "telling", "said", "owed", "owing", "parcel", "given", "heard"]
)
#: These say nothing of what they name.
VAGUE = frozenset(["one", "some", "each", "known", "kept", "taken", "hold", "hear", "free"])
MAX_LINES = 300
MAX_FILES = {"agents/cli": 25, "streams/alerting": 16}

#: Strings that travel on topics, or that `--json` prints, and where they may stand.
PUBLIC_STRINGS = {
    "not_told": ("schemas/notifications.py", "streams/alerting/", "agents/cli/alerts.py"),
    "told": ("agents/cli/alerts.py",),
    "told_of_end": ("agents/cli/alerts.py",),
    "owed": ("agents/cli/alerts.py",),
    "parcel": ("streams/alerting/transition.py",),
}

_WORD = re.compile(rf"\b({'|'.join(sorted(BANNED))})\b", re.IGNORECASE)
#: `given` is what people write in rule tests: an alias in the code, and named in backquotes. What
#: is given up is what gave up: another word.
_PUBLIC = re.compile(
    r'alias="given"|"(?:told|owed|parcel)"|`given`?:?`|from hypothesis import .*|^\s*@given\('
    r"|\b[Gg]iven up\b"
)
_COMPONENT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[a-z]+|\d+")
_SUFFIXES = re.compile(
    r"(?:at(?:e|ions?|ors?|ing)|itions?|ions?|e?ments?|ings?|i?ers?|ors?|ie[sd]|ed|es|e|s|y)$"
)


class Violation(NamedTuple):
    """One departure: what was broken, where, and how."""

    rule: str
    place: str
    line: int
    what: str


def violations(root: Path) -> list[Violation]:
    """Return all departures of the tree under `root`."""
    modules = {path: ast.parse(path.read_text("utf-8")) for path in _files(root, ROOTS, (".py",))}
    found = [
        *(v for path, tree in modules.items() for v in names(path, tree)),
        *_words(root),
        *_classes(root, modules),
        *_twins(root),
        *_sizes(root, modules),
        *_cycles(root, modules),
    ]
    named = {(v.place, v.line) for v in found if v.rule == "banned-name"}
    return sorted(
        {
            v._replace(place=_relative(root, v.place))
            for v in found
            if v.rule != "banned-word" or (v.place, v.line) not in named
        }
    )


def names(path: Path, tree: ast.Module) -> Iterator[Violation]:
    """Yield the banned and the vague names of a module."""
    nodes = list(ast.walk(tree))
    public = _public(nodes)
    for component in _components(path.stem):
        if component in BANNED:
            yield Violation("banned-name", str(path), 1, f"module {path.stem}")
    for node in nodes:
        line = getattr(node, "lineno", 1)
        for name, own in _named(node):
            if id(node) in public or (name == "given" and _of_hypothesis(tree)):
                continue
            if isinstance(node, ast.Constant) and _is_public(name, path):
                continue
            if any(component in BANNED for component in _components(name)):
                yield Violation("banned-name", str(path), line, name)
            elif own and name.lower().strip("_") in VAGUE:
                yield Violation("vague-name", str(path), line, name)


def _public(nodes: list[ast.AST]) -> set[int]:
    """Return the names that people write in files of rules and tests: aliases, the field `each`."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            found.update(id(k.value) for k in node.keywords if k.arg and k.arg.endswith("alias"))
        elif isinstance(node, ast.ClassDef):
            fields = [n.target for n in node.body if isinstance(n, ast.AnnAssign)]
            found.update(id(f) for f in fields if isinstance(f, ast.Name) and f.id == "each")
    return found


def _is_public(text: str, path: Path) -> bool:
    return any(place in path.as_posix() for place in PUBLIC_STRINGS.get(text, ()))


def _named(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield the names that a node has, and whether it is what gives them."""
    match node:
        case ast.Name():
            yield node.id, isinstance(node.ctx, ast.Store)
        case ast.Attribute():
            yield node.attr, isinstance(node.ctx, ast.Store)
        case ast.arg():
            yield node.arg, True
        case ast.keyword(arg=str(name)):
            yield name, False
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, True
        case ast.ImportFrom(module=str(name)):
            yield from ((part, False) for part in name.split("."))
        case ast.alias():
            yield from ((part, False) for part in node.name.split("."))
            yield from ((node.asname, True),) if node.asname else ()
        case ast.Constant(value=str(text)) if re.fullmatch(r"\w+", text):
            yield text, False


def _of_hypothesis(tree: ast.Module) -> bool:
    return any(isinstance(n, ast.ImportFrom) and n.module == "hypothesis" for n in tree.body)


def _components(name: str) -> list[str]:
    return [part.lower() for part in _COMPONENT.findall(name.replace("given_up", ""))]


def _words(root: Path) -> Iterator[Violation]:
    for path in _files(root, ROOTS, PROSE):
        for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            if found := _WORD.search(_PUBLIC.sub("", text)):
                yield Violation("banned-word", str(path), line, f"{found[0]}: {text.strip()[:80]}")


def _classes(root: Path, modules: dict[Path, ast.Module]) -> Iterator[Violation]:
    """Yield the classes whose name another has, unless a module says that it wraps the other."""
    places: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    for path, tree in modules.items():
        if _in(root, path, NAMED_ONCE):
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append((path, node.lineno))
    for name, where in places.items():
        for (first, _), (second, line) in combinations(where, 2):
            if not (_wraps(root, modules, first, second) or _wraps(root, modules, second, first)):
                what = f"class {name} is in {_relative(root, str(first))} too"
                yield Violation("class-twice", str(second), line, what)


def _wraps(root: Path, modules: dict[Path, ast.Module], outer: Path, inner: Path) -> bool:
    text = ast.get_docstring(modules[outer]) or ""
    return "wraps" in text.lower() and _module(root, inner) in text


def _twins(root: Path) -> Iterator[Violation]:
    folders: dict[Path, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in _files(root, ROOTS, (".py",)):
        if path.stem != "__init__":
            folders[path.parent][_verb(path.stem)].append(path.name)
    for folder, verbs in folders.items():
        for stems in verbs.values():
            if len(stems) > 1:
                yield Violation("twins", str(folder), 0, " ".join(sorted(stems)))


def _verb(stem: str) -> str:
    return "_".join(_root_of(word) for word in stem.strip("_").split("_"))


def _root_of(word: str) -> str:
    for _ in range(2):
        shorter = _SUFFIXES.sub("", word)
        if len(shorter) < 3:
            break
        word = shorter
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _sizes(root: Path, modules: dict[Path, ast.Module]) -> Iterator[Violation]:
    for path in modules:
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MAX_LINES:
            yield Violation("too-long", str(path), 0, f"{lines} lines, at most {MAX_LINES}")
    for folder, most in MAX_FILES.items():
        files = len(list((root / folder).rglob("*.py")))
        if files > most:
            yield Violation("too-many", str(root / folder), 0, f"{files} files, at most {most}")


def _cycles(root: Path, modules: dict[Path, ast.Module]) -> Iterator[Violation]:
    """Yield the import cycles, also of imports in functions and under TYPE_CHECKING."""
    graph = imports(root, modules)
    for component in _strongly_connected(graph):
        yield Violation("cycle", str(root / component[0].replace(".", "/")), 0, " ".join(component))


def imports(root: Path, modules: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """Return which of our modules each of our modules imports, anywhere in it."""
    by_name = {_module(root, path): tree for path, tree in modules.items()}
    graph: dict[str, set[str]] = {name: set() for name in by_name}
    for name, tree in by_name.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                graph[name].update(a.name for a in node.names if a.name in by_name)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for a in node.names:
                    inner = f"{node.module}.{a.name}"
                    graph[name].add(inner if inner in by_name else node.module)
        graph[name] &= by_name.keys() - {name}
    return graph


def _strongly_connected(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules each of which reaches all others of its group."""
    reach = {name: _reached(graph, name) for name in graph}
    groups = {
        tuple(sorted({name, *(to for to in reach[name] if name in reach[to])})) for name in graph
    }
    return sorted(list(group) for group in groups if len(group) > 1)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for to in graph[todo.pop()] - seen:
            seen.add(to)
            todo.append(to)
    return seen


def _files(root: Path, folders: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (root / folder).rglob("*")
        if path.suffix in suffixes and path.is_file()
    )


def _in(root: Path, path: Path, folders: tuple[str, ...]) -> bool:
    return path.relative_to(root).parts[0] in folders


def _module(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    if parts[0] == "client":
        parts = parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _relative(root: Path, place: str) -> str:
    return str(Path(place).relative_to(root)) if Path(place).is_absolute() else place


def main() -> int:
    """Print the departures by room, then how many there are of each."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    only = sys.argv[2:]
    rooms: dict[str, list[Violation]] = defaultdict(list)
    for v in violations(root):
        if not only or any(v.place.startswith(folder) for folder in only):
            rooms["/".join(Path(v.place).parts[:2])].append(v)
    for room, found in sorted(rooms.items()):
        counts = Counter(v.rule for v in found)
        print(f"\n== {room}: " + ", ".join(f"{n} {rule}" for rule, n in sorted(counts.items())))
        for v in found:
            print(f"{v.place}:{v.line}: {v.rule}: {v.what}")
    total = Counter(v.rule for found in rooms.values() for v in found)
    print("\nin all:", ", ".join(f"{n} {rule}" for rule, n in sorted(total.items())) or "nothing")
    return bool(total)


if __name__ == "__main__":
    sys.exit(main())
