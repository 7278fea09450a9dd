"""Whatever stands in a rule file: a sentence for each mistake, or it judges and tells."""

import contextlib
from typing import Any

import orjson
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.rule_file.load import BadRuleFile, LoadedRules, load
from agents.rule_tests.aggregates import aggregates
from agents.rule_tests.cases import OperationsMinutes, ScoreMinutes
from schemas.breaches import Breach
from streams.channels.message import Message
from streams.channels.registry import preview
from streams.rules.aggregate_reader import read_aggregate
from streams.rules.evaluator import Evaluator
from tests.effort import examples
from tests.properties.drawn_rule_files import (
    FILE,
    GIVEN,
    REAL,
    SHARED,
    mutated,
    outcome,
    spoilt,
    written,
)
from tests.unit.messages.samples import CHANNELS

START_MS = 1_772_409_600_000


def judge_and_tell(loaded: LoadedRules, sources: list[Any]) -> int:
    """Judge what the sources publish, and write every message of it; return how many."""
    evaluation = Evaluator(loaded.rules, loaded.hash)
    records = sorted(
        (one for each in sources for one in aggregates(each, START_MS)), key=lambda one: one.at_ms
    )
    told = 0
    for offset, record in enumerate(records):
        aggregate = read_aggregate(orjson.dumps(record.body))
        assert aggregate is not None
        for said in evaluation.evaluate(offset, record.at_ms, aggregate):
            told += tell(Breach.model_validate_json(said.value), loaded)
    for said in evaluation.pass_time(START_MS + 3 * 60 * 60_000):
        told += tell(Breach.model_validate_json(said.value), loaded)
    return told


def tell(breach: Breach, loaded: LoadedRules) -> int:
    assert breach.summary
    event: Any = "resolved" if breach.state == "resolved" else "opened"
    message = Message(
        delivery="d",
        event=event,
        breach=breach,
        level=0,
        created_ms=START_MS,
        incident="i",
        acknowledged_by="",
    )
    for channel in (*loaded.rules.channels, *CHANNELS):
        assert preview(message, channel)
    return 1


@settings(deadline=None, max_examples=examples(75))
@given(body=mutated(FILE), sources=GIVEN)
def test_a_rule_file_is_refused_in_sentences_or_judges_and_tells(
    body: Any, sources: list[Any]
) -> None:
    loaded = outcome(written(body))
    if loaded is not None:
        judge_and_tell(loaded, sources)


BROKEN: list[tuple[dict[str, Any], Any]] = [
    (
        {"metric": "error_rate", "operator": "greater_than", "threshold": 5},
        OperationsMinutes(
            series="parse", count="100x9", failures="0x2 100x5 0x2", duration_ms="5000"
        ),
    ),
    (
        {"metric": "quality_overall", "operator": "less_than", "threshold": 0.7},
        ScoreMinutes(scores="overall:parse", count="100x9", score="0.9x2 0.3x5 0.9x2"),
    ),
]


@settings(deadline=None, max_examples=examples(30))
@given(
    body=mutated(FILE),
    fields=st.fixed_dictionaries({}, optional=SHARED),
    broken=st.sampled_from(BROKEN),
)
def test_a_rule_that_is_broken_is_told_whatever_its_words_and_channels(
    body: dict[str, Any], fields: dict[str, Any], broken: tuple[dict[str, Any], Any]
) -> None:
    condition, minutes = broken
    rule = {"kind": "metric_threshold", "name": "broken", "window": "1m"} | condition | fields
    rule |= {"each": "operation", "match": 'operation="parse"', "keep_firing_for": "0"}
    loaded = outcome(written(body | {"rules": [rule]}))
    if loaded is not None:
        assert judge_and_tell(loaded, [minutes]) >= 2  # opened and resolved


@settings(deadline=None, max_examples=examples(50))
@given(text=spoilt())
def test_a_spoilt_file_is_refused_in_sentences_or_is_one(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=examples(30))
@given(body=mutated(st.builds(lambda: yaml.safe_load(REAL))), sources=GIVEN)
def test_the_real_file_with_other_values_is_refused_or_judges(
    body: Any, sources: list[Any]
) -> None:
    loaded = outcome(written(body))
    if loaded is not None:
        judge_and_tell(loaded, sources)


YAML = st.sampled_from(
    [
        "rules", "channels", ":", ": ", "\n", "\n  ", "- ", "? ", "[", "]", "{", "}", ",", "&a ",
        "*a", "<<: *a", "!!int ", "!!bool ", "!!binary ", "!!timestamp ", "!!set ", "| ", "> ", "'",
        '"', "!!python/object:os.system ", "\\ud800", "#", "---\n", "...\n", "%YAML 1.1\n", "~",
        "\t", "name: a\n", "1_0", "0b1", ".inf",
    ]
)  # fmt: skip


@settings(deadline=None, max_examples=examples(150))
@given(
    text=st.lists(YAML | st.text(max_size=3), max_size=40).map("".join) | st.text(st.characters())
)
def test_garbage_is_refused_in_sentences_or_is_a_rule_file(text: str) -> None:
    outcome(text)


@settings(deadline=None, max_examples=examples(25))
@given(raw=st.binary(max_size=300))
def test_bytes_are_refused_in_sentences_or_are_a_rule_file(
    raw: bytes, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "rules.yaml"
    path.write_bytes(raw)
    with contextlib.suppress(BadRuleFile):
        load(path)
