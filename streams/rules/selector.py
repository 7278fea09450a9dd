"""Say which rules look at a series: those whose dimensions are its own and whose matchers hold."""

from collections.abc import Iterable, Mapping

from schemas.commands import Matcher
from schemas.matchers import matches, parse_matchers
from streams.rules.compiled import CompiledRule


class Index:
    """Rules by the dimensions they name, and by a value they demand of one."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        """Index the rules that are enabled."""
        self._of: dict[frozenset[str], dict[tuple[str, str] | None, list[_Entry]]] = {}
        for place, compiled in enumerate(rules):
            matchers = parse_matchers(compiled.rule.match) if compiled.rule.match else ()
            named = frozenset(compiled.rule.dimensions | {one.label for one in matchers})
            exact = next(((m.label, m.value) for m in matchers if m.operator == "="), None)
            entry = (place, compiled, matchers)
            self._of.setdefault(named, {}).setdefault(exact, []).append(entry)

    def select(self, kind: str, labels: Mapping[str, str]) -> tuple[CompiledRule, ...]:
        """Return the rules for a series of a kind (operations, service), in the file's order."""
        by_value = self._of.get(frozenset(labels), {})
        found: list[_Entry] = []
        for demanded in (None, *labels.items()):
            for entry in by_value.get(demanded, ()):
                _, compiled, matchers = entry
                if compiled.judges(kind) and matches(matchers, labels):
                    found.append(entry)
        return tuple(compiled for _, compiled, _ in sorted(found, key=lambda entry: entry[0]))


_Entry = tuple[int, CompiledRule, tuple[Matcher, ...]]
