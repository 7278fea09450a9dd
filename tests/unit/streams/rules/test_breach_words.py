"""A breach says in a sentence, evidence and labels what a person needs."""

import pytest

from tests.unit.streams.rules.worlds import World, operations, threshold


def test_a_breach_says_what_a_person_needs() -> None:
    world = World(
        threshold(
            window="5m",
            each="platform",
            match='operation="parse", platform=~"lev.*"',
            labels={"team": "crawl"},
            runbook="https://runbooks.example/errors",
        ),
        defaults={"labels": {"env": "prod"}, "cooldown": "7m"},
    )
    (told,) = world.read(operations(0, 312, 39, operation="parse", platform="lever"))
    assert told.summary == (
        'error rate of parse{platform="lever"} is 12.5 % (> 5 %) over 5m, 312 operations'
    )
    assert told.labels == {
        "operation": "parse",
        "platform": "lever",
        "env": "prod",
        "team": "crawl",
    }
    assert told.exemplars[0].error_type == "Timeout"
    assert told.runbook == "https://runbooks.example/errors"
    assert told.routing.cooldown_ms == 7 * 60_000
    assert told.rules_hash == "hash-1"


def test_a_template_says_it_and_a_failing_one_does_not_stop_it() -> None:
    said = World(
        threshold(summary="{{ labels.platform }} at {{ observed|round(1) }} %", each="platform")
    )
    (told,) = said.read(operations(0, 10, 9, platform="lever"))
    assert told.summary == "lever at 90.0 %"
    failing = World(threshold(summary="{{ nothing.there }}"))
    (told,) = failing.read(operations(0, 10, 9))
    assert told.summary.startswith("error rate of *")


def test_p95_is_evidence_of_a_slow_mean() -> None:
    world = World(threshold(metric="duration_mean", window="5m"))
    (told,) = world.read(operations(0, 100, durations=list(map(float, range(100)))))
    assert told.evidence["p95_ms"] == pytest.approx(94.05)


def failures_of(**counts: int) -> dict:
    named = [{"name": name, "count": count} for name, count in counts.items()]
    return {"most_frequent": named, "other": 0, "unnamed": 0}


def test_a_breach_names_the_most_frequent_failures_of_the_last_minutes() -> None:
    world = World(threshold(metric="error_rate", operator="greater_than", threshold=5))
    world.read(operations(0, 100, 2, failures_by_type=failures_of(OSError=2)))
    by_type = failures_of(TimeoutError=9, OSError=8, ValueError=2, KeyError=1)
    (breach,) = world.read(operations(1, 100, 20, failures_by_type=by_type))
    assert (
        breach.evidence["most_frequent_failures"]
        == "OSError (10), TimeoutError (9), ValueError (2)"
    )
    assert breach.summary.endswith(
        "; most frequent failures: OSError (10), TimeoutError (9), ValueError (2)"
    )


def test_an_error_type_cannot_hide_or_flood_a_sentence() -> None:
    world = World(threshold(metric="error_rate", operator="greater_than", threshold=5))
    by_type = failures_of(**{"a\0\x1b[2J\u202e": 3, "x" * 100: 2})
    (breach,) = world.read(operations(0, 100, 20, failures_by_type=by_type))
    named = breach.evidence["most_frequent_failures"]
    assert named == f"a\\x00\\x1b[2J\\x202e (3), {'x' * 59}… (2)"


@pytest.mark.parametrize("by_type", [None, 5, [], {"most_frequent": [{"name": 1}]}, {}])
def test_failures_that_cannot_be_read_change_nothing(by_type: object) -> None:
    world = World(threshold(metric="error_rate", operator="greater_than", threshold=5))
    (breach,) = world.read(operations(0, 100, 20, failures_by_type=by_type))
    assert breach.evidence == {"failures": 20}
