"""Run rule tests: evaluate what a test says was measured, and compare with what it expects."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson
from pydantic import BaseModel

from agents.rule_file.load import BadRuleFile, LoadedRules, load, read_text
from agents.rule_file.mistakes import mistakes_in
from agents.rule_file.yaml import read
from agents.rule_tests.aggregates import MadeAggregate, aggregates
from agents.rule_tests.cases import (
    OF_OPERATIONS,
    OF_SERVICE,
    Expectation,
    ExpectedBreach,
    OperationsMinutes,
    RuleTest,
    RuleTestFile,
    ServiceMinutes,
)
from agents.rule_tests.episodes import BreachEpisode, BreachEpisodes
from schemas.spans import as_text
from streams.measure.series import service_series
from streams.rules.aggregate_reader import AggregateRecord, read_aggregate
from streams.rules.evaluator import BreachRecord, Evaluator

_PARTS: Mapping[str, type[BaseModel]] = {
    "tests": RuleTest,
    OF_OPERATIONS: OperationsMinutes,
    OF_SERVICE: ServiceMinutes,
    "expect": Expectation,
    "open": ExpectedBreach,
    "resolved": ExpectedBreach,
}


class LoadedRuleTests(NamedTuple):
    """A file of rule tests, and the rules that it tests."""

    file: RuleTestFile
    rules: LoadedRules


def load_tests(path: Path) -> LoadedRuleTests:
    """Return the tests of a file.

    Raises:
        BadRuleFile: it, or its rule file, has mistakes; all of them.
    """
    file = parse_tests(read_text(path), path)
    return LoadedRuleTests(file, load(path.parent / file.rule_file))


def parse_tests(text: str, path: Path) -> RuleTestFile:
    """Return the tests of a text; the path only names it.

    Raises:
        BadRuleFile: it has mistakes.
    """
    file, mistakes = mistakes_in(read(text), RuleTestFile, _PARTS)
    if file is None:
        raise BadRuleFile([f"{path}:{mistake}" for mistake in mistakes])
    return file


def failures(test: RuleTest, loaded: LoadedRules) -> list[str]:
    """Return a sentence for each difference between the breaches and what the test expects."""
    expected = (breach for expectation in test.expect for breach in expectation.all())
    unknown = {*test.rules, *(breach.rule for breach in expected)}
    unknown -= {rule.name for rule in loaded.rules.rules}
    if unknown:
        return [f"{loaded.path} has no rule {name!r}" for name in sorted(unknown)]
    sentences: list[str] = []
    episodes = BreachEpisodes()
    for expectation, breaches in _evaluated(test, loaded):
        changed = [episodes.take(breach.value) for breach in breaches]
        at = f"at {as_text(expectation.at)}"
        if expectation.open is not None:
            found = [episode for episode in episodes.all() if episode.resolved_ms is None]
            sentences += _differences(expectation.open, _tested(found, test), f"{at}, open")
        if expectation.resolved is not None:
            found = [episode for episode in changed if episode.resolved_ms is not None]
            sentences += _differences(expectation.resolved, _tested(found, test), f"{at}, resolved")
    return sentences


def _tested(episodes: list[BreachEpisode], test: RuleTest) -> list[BreachEpisode]:
    return [episode for episode in episodes if not test.rules or episode.rule in test.rules]


def _differences(
    expected: list[ExpectedBreach], found: list[BreachEpisode], when: str
) -> list[str]:
    unexpected = list(found)
    missing = []
    for breach in expected:
        match = next((episode for episode in unexpected if _fits(episode, breach)), None)
        if match is None:
            missing.append(breach.model_dump(exclude_none=True))
        else:
            unexpected.remove(match)
    return [
        *(f"{when}: expected {_described(fields)}" for fields in missing),
        *(
            f"{when}: not expected {_described(_fields(episode))} - {episode.summary}"
            for episode in unexpected
        ),
    ]


def _fits(episode: BreachEpisode, expected: ExpectedBreach) -> bool:
    fields = expected.model_dump(exclude_none=True)
    if episode.series == service_series(fields.get("series", "")):
        fields.pop("series")  # a test may name a service without `service=`
    return all(getattr(episode, field) == value for field, value in fields.items())


def _fields(episode: BreachEpisode) -> dict[str, str]:
    shown = ("rule", "series", "severity", "why", *(("muted",) if episode.muted else ()))
    return {field: getattr(episode, field) for field in shown}


def _described(fields: dict[str, str]) -> str:
    words = [value for name, value in fields.items() if name != "muted"]
    if "muted" in fields:
        words.append(f"muted by {fields['muted']}" if fields["muted"] else "not muted")
    return ", ".join(words)


def _evaluated(
    test: RuleTest, loaded: LoadedRules
) -> Iterator[tuple[Expectation, list[BreachRecord]]]:
    """Yield each expectation with the breach records since the expectation before it."""
    evaluator = Evaluator(loaded.rules, loaded.hash)
    offset = 0
    records = sorted(
        (record for series in test.series for record in aggregates(series, test.start_ms)),
        key=lambda record: record.at_ms,
    )
    minutes = [
        (at_ms, list(of_minute)) for at_ms, of_minute in groupby(records, lambda it: it.at_ms)
    ]
    for expectation in sorted(test.expect, key=lambda it: it.at):
        until_ms = test.start_ms + expectation.at
        breaches: list[BreachRecord] = []
        while minutes and minutes[0][0] <= until_ms:
            at_ms, of_minute = minutes.pop(0)
            for record in of_minute:
                breaches += evaluator.evaluate(offset, at_ms, _read(record))
                offset += 1
        breaches += evaluator.pass_time(until_ms)
        yield expectation, breaches


def _read(record: MadeAggregate) -> AggregateRecord:
    aggregate = read_aggregate(orjson.dumps(record.body))
    assert aggregate is not None
    return aggregate
