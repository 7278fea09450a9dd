"""Run rule tests: the rules see what a case gives them, and must say what it expects."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import orjson
from pydantic import BaseModel

from agents.cli.rule_episodes import Episode, Episodes
from agents.cli.rule_given import (
    OF_OPERATIONS,
    OF_SERVICE,
    Case,
    Expect,
    Given,
    GivenService,
    Open,
    TestFile,
)
from agents.cli.rule_minutes import Published, published
from agents.rule_file.load import BadRuleFile, LoadedRules, load, read_text
from agents.rule_file.mistakes import mistakes_in
from agents.rule_file.yaml import read
from schemas.spans import as_text
from streams.measure.series import service_series
from streams.rules.evaluator import BreachRecord, Evaluator
from streams.rules.records import AggregateRecord, read_aggregate

_PARTS: Mapping[str, type[BaseModel]] = {
    "tests": Case,
    OF_OPERATIONS: Given,
    OF_SERVICE: GivenService,
    "expect": Expect,
    "open": Open,
    "resolved": Open,
}


class Tests(NamedTuple):
    """A file of rule tests, and the rules they are of."""

    file: TestFile
    rules: LoadedRules


def load_tests(path: Path) -> Tests:
    """Return the tests of a file.

    Raises:
        BadRuleFile: it, or its rule file, has mistakes; all of them.
    """
    file = parse_tests(read_text(path), path)
    return Tests(file, load(path.parent / file.rule_file))


def parse_tests(text: str, path: Path) -> TestFile:
    """Return the tests of a text; the path only names it.

    Raises:
        BadRuleFile: it has mistakes.
    """
    file, mistakes = mistakes_in(read(text), TestFile, _PARTS)
    if file is None:
        raise BadRuleFile([f"{path}:{mistake}" for mistake in mistakes])
    return file


def failures(case: Case, loaded: LoadedRules) -> list[str]:
    """Return, a sentence each, where the rules say something else than the case expects."""
    named = {*case.rules, *(each.rule for it in case.expect for each in it.all())}
    unknown = sorted(named - {rule.name for rule in loaded.rules.rules})
    if unknown:
        return [f"{loaded.path} has no rule {name!r}" for name in unknown]
    wrong: list[str] = []
    episodes = Episodes()
    for expect, said in _until_each(case, loaded):
        told = [episodes.take(one.value) for one in said]
        at = f"at {as_text(expect.at)}"
        if expect.open is not None:
            found = [it for it in episodes.all() if it.resolved_ms is None]
            wrong += _differences(expect.open, _wanted(found, case), f"{at}, open")
        if expect.resolved is not None:
            found = [it for it in told if it.resolved_ms is not None]
            wrong += _differences(expect.resolved, _wanted(found, case), f"{at}, resolved")
    return wrong


def _wanted(episodes: list[Episode], case: Case) -> list[Episode]:
    return [it for it in episodes if not case.rules or it.rule in case.rules]


def _differences(expected: list[Open], found: list[Episode], when: str) -> list[str]:
    left = list(found)
    missing = []
    for each in expected:
        match = next((it for it in left if _is(it, each)), None)
        if match is None:
            missing.append(each)
        else:
            left.remove(match)
    return [
        *(f"{when}: expected {_described(each.model_dump(exclude_none=True))}" for each in missing),
        *(f"{when}: not expected {_described(_shown(it))} - {it.summary}" for it in left),
    ]


def _is(episode: Episode, expected: Open) -> bool:
    told = expected.model_dump(exclude_none=True)
    if episode.series == service_series(told.get("series", "")):
        told.pop("series")  # a service may stand there by its name alone
    return all(getattr(episode, field) == value for field, value in told.items())


def _shown(episode: Episode) -> dict[str, str]:
    return {field: getattr(episode, field) for field in ("rule", "series", "severity", "why")}


def _described(told: dict[str, str]) -> str:
    return ", ".join(str(value) for value in told.values())


def _until_each(case: Case, loaded: LoadedRules) -> Iterator[tuple[Expect, list[BreachRecord]]]:
    """Yield each expectation with what the rules said since the one before."""
    evaluation = Evaluator(loaded.rules, loaded.hash)
    offset = 0
    records = sorted(
        (record for given in case.given for record in published(given, case.start_ms)),
        key=lambda record: record.at_ms,
    )
    minutes = [(at_ms, list(some)) for at_ms, some in groupby(records, lambda it: it.at_ms)]
    for expect in sorted(case.expect, key=lambda it: it.at):
        until_ms = case.start_ms + expect.at
        said: list[BreachRecord] = []
        while minutes and minutes[0][0] <= until_ms:
            at_ms, some = minutes.pop(0)
            for record in some:
                said += evaluation.evaluate(offset, at_ms, _told(record))
                offset += 1
        said += evaluation.pass_time(until_ms)
        yield expect, said


def _told(record: Published) -> AggregateRecord:
    told = read_aggregate(orjson.dumps(record.body))
    assert told is not None
    return told
