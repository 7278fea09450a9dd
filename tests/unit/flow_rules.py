"""Write rules and channels in YAML's flow style, and read what is refused of a file."""

import pytest

from agents.rule_file.load import BadRuleFile, parse

RULE = {
    "name": "a",
    "kind": "metric_threshold",
    "metric": "error_rate",
    "operator": "greater_than",
    "threshold": "5",
    "window": "5m",
}


def file_with(part: str = "rules", **fields: str) -> str:
    written = ", ".join(f"{name}: {value}" for name, value in fields.items() if value)
    return f"{part}:\n  - {{{written}}}\n"


def rule(**fields: str) -> str:
    return file_with(**(RULE | fields))


def refused(text: str) -> list[str]:
    with pytest.raises(BadRuleFile) as caught:
        parse(text, "f")
    return caught.value.sentences
