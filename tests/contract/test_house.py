"""The tree keeps to its own rules of names, words and rooms (docs/glossary.md, CONTRIBUTING.md)."""

from pathlib import Path

import pytest

from tests.contract.house import MAX_LINES, Violation, violations

ROOT = Path(__file__).parents[2]
RULES = (
    *("banned-name", "banned-word", "vague-name"),
    *("class-twice", "cycle", "too-long", "too-many", "twins"),
)


@pytest.fixture(scope="module")
def found() -> list[Violation]:
    return violations(ROOT)


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_to_the_rule(rule: str, found: list[Violation]):
    assert [f"{v.place}:{v.line}: {v.what}" for v in found if v.rule == rule] == []


def broken(tmp_path: Path, **files: str) -> list[tuple[str, str]]:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/")
        path = path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [(v.rule, v.what) for v in violations(tmp_path)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("not_told = 1", "not_told"),
        ("class ToldOperations: ...", "ToldOperations"),
        ("def f(said): ...", "said"),
        ("f(owed=1)", "owed"),
        ("row.heard_at", "heard_at"),
        ('row["parcel_id"]', "parcel_id"),
        ("from a.rule_given import b", "rule_given"),
    ],
)
def test_a_banned_name_is_found_wherever_it_stands(tmp_path: Path, text: str, name: str):
    assert ("banned-name", name) in broken(tmp_path, streams__a=text)


def test_a_banned_word_is_found_in_prose(tmp_path: Path):
    assert broken(tmp_path, streams__a='"""What was told."""') == [
        ("banned-word", 'told: """What was told."""')
    ]


def test_what_people_write_in_rule_tests_is_no_name_of_code(tmp_path: Path):
    assert broken(tmp_path, agents__a='series: str = Field(alias="given")') == []


def test_a_string_that_travels_stands_only_where_it_is_published(tmp_path: Path):
    text = 'reason = "not_told"'
    assert broken(tmp_path, schemas__notifications=text) == []
    assert broken(tmp_path, streams__a=text) == [("banned-name", "not_told")]


def test_a_property_test_may_import_given(tmp_path: Path):
    text = "from hypothesis import given\n@given(x)\ndef test_it(): ..."
    assert broken(tmp_path, client__tests__test_a=text) == []


def test_a_vague_variable_is_found(tmp_path: Path):
    text = "for one in range(3): print(one)"
    assert broken(tmp_path, streams__a=text) == [("vague-name", "one")]


def test_two_classes_of_one_name_are_found(tmp_path: Path):
    text = "class Row: ..."
    assert broken(tmp_path, streams__a=text, schemas__b=text) == [
        ("class-twice", "class Row is in schemas/b.py too")
    ]


def test_a_class_that_wraps_another_may_have_its_name(tmp_path: Path):
    text = "class Row: ..."
    wraps = f'"""Wraps that of schemas.b."""\n{text}'
    assert broken(tmp_path, streams__a=wraps, schemas__b=text) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("replay", "replaying"),
        ("redrive", "redriving"),
        ("rule_backtest", "rules_backtest"),
        ("notifier", "notify"),
        ("deliver", "delivery"),
        ("evaluation", "evaluator"),
    ],
)
def test_two_files_of_one_verb_are_found(tmp_path: Path, first: str, second: str):
    found = broken(tmp_path, **{f"agents__{first}": "", f"agents__{second}": ""})
    assert found == [("twins", f"{first}.py {second}.py")]


def test_a_cycle_is_found_also_where_only_types_are_imported(tmp_path: Path):
    hidden = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from streams.a import A"
    found = broken(tmp_path, streams__a="from streams import b", streams__b=hidden)
    assert found == [("cycle", "streams.a streams.b")]


def test_a_long_module_is_found(tmp_path: Path):
    found = broken(tmp_path, streams__a="a = 1\n" * (MAX_LINES + 1))
    assert [rule for rule, _ in found] == ["too-long"]


def test_a_full_room_is_found(tmp_path: Path):
    files = {f"agents__cli__{chr(ord('a') + n)}x": "" for n in range(26)}
    assert [rule for rule, _ in broken(tmp_path, **files)] == ["too-many"]
