"""The pages point to what exists, and the glossary has each word once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "client/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    links = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text("utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path):
    folders = "agents|benchmarks|client|config|docs|examples|schemas|stack|streams|tests"
    paths = re.findall(
        rf"(?<![\w./])((?:{folders})/[\w./-]*\w)(?![\w<*/{{])", page.read_text("utf-8")
    )
    places = (ROOT, page.parent)
    assert [path for path in paths if not any((place / path).exists() for place in places)] == []


def test_the_glossary_has_each_word_once():
    rows = re.findall(
        r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE
    )
    words = [word for row in rows if row != "word" for word in row.split(", ")]
    assert sorted(words) == sorted(set(words))
