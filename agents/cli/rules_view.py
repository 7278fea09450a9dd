"""Show rules as a table: what each looks at, in words, and who is told."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from schemas.rule_file import RuleFile
from schemas.rule_kinds import Rule
from streams.rules.kinds import kind_for

STYLES = {"low": "cyan", "medium": "yellow", "high": "red", "critical": "bold red"}
#: Columns that are never folded: names are copied from there.
_WHOLE = ("name", "severity", "channels")


def table(rules: RuleFile) -> Table:
    """Return the file's rules, a row each."""
    shown = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("name", "kind", "what", "series", "severity", "channels"):
        shown.add_column(heading, overflow="fold", no_wrap=heading in _WHOLE)
    for rule in rules.rules:
        kind = kind_for(rule)
        channels = rule.channels or rules.defaults.channels
        shown.add_row(
            Text(rule.name, style="bold"),
            rule.kind.replace("_", " "),
            Text(kind.condition() + ("" if rule.enabled else " (not enabled)")),
            Text(series(rule)),
            Text("\n".join(kind.severities), style=STYLES[kind.severities[-1]]),
            Text("\n".join(channels) or "–"),
            style=None if rule.enabled else "dim",
        )
    return shown


def series(rule: Rule) -> str:
    """Return for which series a rule judges, in a line."""
    each = f"each {', '.join(rule.split_by)}" if rule.split_by else ""
    return " ".join(part for part in (each, rule.match) if part) or "all together"
