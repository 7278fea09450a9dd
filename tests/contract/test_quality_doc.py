"""Hold docs/quality.md to what opwatch does: its files are loaded, its assessor is run."""

import re
import sys
import tomllib
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from agents.quality_file.assessors import GROUP, load_assessors
from agents.quality_file.load import parse_quality
from schemas.quality_config import QualityConfig
from streams.quality.actions import ACTIONS
from streams.quality.assessor import Context
from tests.quality_fixtures import documents, further_posts, job_posts
from tests.unit.streams.quality.analyses import analysis

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_has_the_built_in_configuration():
    assert parse_quality(blocks("yaml")[0]) == QualityConfig()


def test_the_example_of_a_file_is_right():
    config = parse_quality(blocks("yaml")[1])
    expected = config.expected_of("analyze_job", "linkedin")
    assert expected.targets.duration == 2_000
    assert config.expected_of("analyze_job", "lever").required == ["title", "company"]


def test_the_assessor_of_the_page_adds_a_dimension(monkeypatch: pytest.MonkeyPatch):
    module = types.ModuleType("polite")
    exec(blocks("python")[0], module.__dict__)
    monkeypatch.setitem(sys.modules, "polite", module)
    (points,) = tomllib.loads(blocks("toml")[0])["project"]["entry-points"].values()
    found = [EntryPoint(name, value, GROUP) for name, value in points.items()]
    politeness = load_assessors(found)[-1]
    assert politeness.dimension == "politeness"
    rude = politeness.assess(analysis({"notes": "A hopeless case."}), Context())
    assert rude is not None
    assert [(it.code, rude.score) for it in rude.findings] == [("rude", 0.5)]
    assert politeness.assess(analysis({}), Context()) is None


def test_the_page_explains_every_finding():
    planted = {case.fault for part in (documents, further_posts, job_posts) for case in part.BAD}
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    assert planted - explained == set()
    assert set(ACTIONS) - explained == set()
