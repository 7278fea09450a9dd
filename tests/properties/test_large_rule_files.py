"""A large rule file is refused or taken soon, whatever makes it large."""

from pathlib import Path

import pytest

from agents.rule_file.load import BadRuleFile, load
from agents.rule_file.yaml import MAX_BYTES, MAX_ELEMENTS
from tests.properties.drawn_rule_files import outcome

RULE_TEXT = """\
  - name: r{n}
    kind: metric_threshold
    metric: error_rate
    operator: greater_than
    threshold: 5
    window: 5m
"""
MOST = MAX_BYTES - 50
LARGE = {
    "a thousand rules": "rules:\n" + "".join(RULE_TEXT.format(n=n) for n in range(MAX_ELEMENTS)),
    "five thousand rules": "rules:\n" + "".join(RULE_TEXT.format(n=n) for n in range(5_000)),
    "rules of unknown channels": "rules:\n"
    + "".join(RULE_TEXT.format(n=n) + f"    channels: [c{n}, d{n}]\n" for n in range(1_000)),
    "rules of unknown fields": "rules:\n"
    + "".join(RULE_TEXT.format(n=n) + f"    {'field' * 30}{n}: 5\n" for n in range(1_000)),
    "rules of unknown kinds": "rules:\n"
    + "".join(f"  - kind: {'k' * 900}{n}\n" for n in range(1_000)),
    "rules with one name": "rules:\n" + RULE_TEXT.format(n=1) * 1_000,
    "twenty megabytes": "rules: " + "x" * 20_000_000,
    "a string": "rules: " + "x" * MOST,
    "a quoted string": "rules: '" + "x\n" * (MOST // 2) + "'",
    "a block": "rules: |\n" + " x\n" * (MOST // 3),
    "a key": "x" * MOST + ": 1",
    "nested lists": "rules: " + "[" * MOST,
    "nested maps": "{a: " * (MOST // 4),
    "nested blocks": "- " * (MOST // 2),
    "nested keys": "? " * (MOST // 2),
    "digits": "version: " + "9" * MOST,
    "hexadecimal digits": "version: 0x" + "f" * MOST,
    "sexagesimal digits": "version: 1" + ":59" * (MOST // 3),
    "a span": f"defaults: {{cooldown: '{'1' * 9_000}'}}",
    "a span of parts": f"defaults: {{cooldown: '{'1h' * 4_000}'}}",
    "a link": f"defaults: {{runbook: 'https://{'a' * 9_000}'}}",
    "lines": "#\n" * (MOST // 2),
    "empty lines": "\n" * MOST,
    "documents": "---\n" * (MOST // 4),
    "fields": "".join(f"k{n}: 1\n" for n in range(MOST // 11)),
    "one field": "a: 1\n" * (MOST // 5),
    "elements": "rules: [" + "1," * (MOST // 2) + "]",
    "lists": "rules:\n" + ("- [" + "a," * 900 + "]\n") * 500,
    "aliases": "a: &a x\n" + "".join(f"b{n}: *a\n" for n in range(60_000)),
    "a billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    ),
    "merges": "a: &a {x: 1}\n"
    + "".join(
        f"b{n}: &b{n}\n  <<: *{f'b{n - 1}' if n else 'a'}\n  y{n}: 1\n" for n in range(900)
    ),
    "labels": "defaults:\n  labels:\n" + "".join(f"    k{n}: v\n" for n in range(900)),
    "tabs": "\t" * MOST,
    "quotes": "'" * MOST,
    "anchors": "&a " * (MOST // 3),
    "tags": "!!x " * (MOST // 4),
    "colons": ": " * (MOST // 2),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_refused_or_taken_soon(name: str) -> None:
    loaded = outcome(LARGE[name])
    assert (loaded is not None) is (name == "a thousand rules")


def test_a_file_past_the_limit_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(BadRuleFile, match="1,048,576 bytes"):
        load(path)
