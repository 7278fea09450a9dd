"""Write the text of a rule, and read what the reader of rule files says against a text."""

from textwrap import dedent

import pytest

from agents.rule_file.load import BadRuleFile, parse


def told(text: str) -> list[str]:
    with pytest.raises(BadRuleFile) as caught:
        parse(dedent(text), "f")
    return [sentence.removeprefix("f:") for sentence in caught.value.sentences]


def rule(**fields: str) -> str:
    lines = {
        "name": "a",
        "kind": "metric_threshold",
        "metric": "error_rate",
        "operator": "greater_than",
        "threshold": "5",
        "window": "5m",
    }
    lines |= fields
    body = "".join(f"    {name}: {value}\n" for name, value in lines.items() if value)
    return "rules:\n  -\n" + body
