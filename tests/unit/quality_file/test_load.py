"""The quality file is right as a whole, or every mistake in it is named with its place."""

import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from agents.quality_file.assessors import BadAssessor, load_assessors
from agents.quality_file.load import BadQualityFile, load_quality, parse_quality
from schemas.quality_config import QualityConfig
from streams.quality.performance import Performance

WRONG = """\
weights: {accuracy: 2, performance: -1}
good: 0.6
budget: 100
operations:
  - operation: parse_*
    required: title
    targets: {duration: 2s, duraton_limit: 9s}
    labels: {likely_ghost: [0.9, 0.5]}
remediation:
  actions: {slow: rerun}
"""


MISTAKES = [
    "quality.yaml:1:24: weights.performance: -1 is out of range: write a number at least 0.",
    "quality.yaml:3:1: budget: 100 has no unit: write a span such as 30s, 5m or 1h30m.",
    (
        "quality.yaml:6:5: operations[0].required: 'title' is wrong: write a list: [one, two], or"
        " lines that begin with a dash."
    ),
    (
        "quality.yaml:7:29: operations[0].targets.duraton_limit: no such field; did you mean"
        " duration_limit?"
    ),
    (
        "quality.yaml:8:5: operations[0].labels: the range of likely_ghost must rise: write"
        " [0.5, 0.9]."
    ),
    (
        "quality.yaml:10:13: remediation.actions.slow: 'rerun' is wrong; write one of reanalyse,"
        " bypass_cache, another_model, human_review."
    ),
]


class Tone:
    name = dimension = "tone"
    version = 1
    heavy = False

    def assess(self, analysis, context):
        return None


class FasterPerformance(Performance):
    name = "faster"


class Nameless:
    version = 1


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch):
    """Return what makes an entry point of a class here."""
    module = types.ModuleType("brought")
    module.__dict__.update(Tone=Tone, FasterPerformance=FasterPerformance, Nameless=Nameless)
    monkeypatch.setitem(sys.modules, "brought", module)
    return lambda name: EntryPoint(name.lower(), f"brought:{name}", "opwatch.assessors")


def test_every_mistake_is_named_with_its_place_and_what_to_write():
    with pytest.raises(BadQualityFile) as caught:
        parse_quality(WRONG, "quality.yaml")
    assert caught.value.sentences == MISTAKES


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("good: 0.6\n", "`acceptable` must be at most `good`"),
        ("deadline: 1s\n", "`deadline` must be at most `budget`"),
        ("weights: {accuracy: 0}\n", "every weight is 0"),
        ("operations:\n  - targets: {duration: 1m}\n", "`duration` must be below"),
    ],
)
def test_what_does_not_fit_together_is_named(text: str, what: str):
    with pytest.raises(BadQualityFile, match=what):
        parse_quality(text)


def test_without_a_file_everything_is_as_it_is_built_in(tmp_path: Path):
    empty = tmp_path / "quality.yaml"
    empty.write_text("# nothing yet\n")
    assert load_quality(None) == load_quality(empty) == QualityConfig()


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path):
    with pytest.raises(BadQualityFile, match="OPWATCH_QUALITY_FILE"):
        load_quality(tmp_path / "none.yaml")


def test_the_first_entry_that_has_a_field_counts():
    config = parse_quality(
        "operations:\n"
        "  - {operation: parse_*, platform: lever, required: [salary]}\n"
        "  - {operation: '*', required: [id], targets: {duration: 1s}}\n"
    )
    lever = config.expected_of("parse_job", "lever")
    assert lever.required == ["salary"]
    assert lever.targets.duration == 1000
    assert config.expected_of("parse_job", "indeed").required == ["id"]
    assert QualityConfig().expected_of("parse_job", "indeed").required == ["title", "company"]


def test_an_installed_assessor_adds_a_dimension_or_replaces_a_built_in_one(point):
    dimensions = {it.dimension: it.name for it in load_assessors([point("Tone")])}
    assert list(dimensions) == ["accuracy", "performance", "reliability", "consistency", "tone"]
    replaced = {it.dimension: it.name for it in load_assessors([point("FasterPerformance")])}
    assert replaced["performance"] == "faster"


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["Absent"], "absent .* cannot be loaded"),
        (["Nameless"], "nameless .* has no `name`"),
        (["Tone", "Tone"], "are both of tone"),
    ],
)
def test_an_assessor_that_cannot_be_used_is_named(point, names: list[str], what: str):
    with pytest.raises(BadAssessor, match=what):
        load_assessors([point(name) for name in names])
