"""Rules that go, change or come while they fire; rows that come back."""

from schemas.breaches import Breach
from streams.rules.evaluator import BreachRecord, Evaluator, read_aggregate
from streams.rules.quiet_partitions import BROKER_AWAY_MS, QUIET_MS
from streams.rules.series_state import version_of
from tests.unit.streams.rules.worlds import (
    BASE,
    MINUTE_MS,
    World,
    episodes,
    operations,
    rule_file,
    threshold,
    words,
)

OTHER = threshold(name="other")


def test_a_rule_that_is_removed_resolves_what_it_had_open() -> None:
    world = World(threshold(), OTHER)
    world.minutes(0, [9, 9])
    (told,) = world.reload(OTHER)
    assert (told.rule, told.state, told.why) == ("high_error_rate", "resolved", "rule_removed")
    assert told.rules_hash == "hash-1"
    assert told.resolved_ms is not None
    assert world.minutes(2, [0])[-1].rule == "other"


def test_a_condition_that_changes_and_still_holds_is_the_same_episode() -> None:
    world = World(threshold())
    world.minutes(0, [9, 9])
    (told,) = world.reload(threshold(threshold=8.0))
    assert (told.state, told.why, told.threshold) == ("updated", "rule_changed", 8.0)
    assert (told.rules_hash, told.id) == ("hash-2", world.said[0].id)
    assert world.minutes(2, [9]) == []
    assert episodes([*world.said, *world.minutes(3, [0])]) == [(0, 3, "high")]


def test_a_condition_that_changes_and_holds_no_more_ends_the_episode() -> None:
    world = World(threshold())
    world.minutes(0, [9, 9])
    assert words(world.reload(threshold(threshold=20.0))) == [("resolved", "rule_changed")]
    assert world.minutes(2, [9]) == []
    assert words(world.minutes(3, [30])) == [("opened", "violated")]


def test_a_file_without_rules_ends_nothing() -> None:
    world = World(threshold(**{"for": "1m"}))
    world.minutes(0, [9, 9])
    assert world.reload() == []
    assert world.evaluation.firing == 1
    world.minutes(2, [9, 9])
    assert world.reload(threshold(**{"for": "1m"}), rules_hash="hash-3") == []
    assert words(world.minutes(4, [9, 0])) == [("resolved", "condition_gone")]
    assert len({one.id for one in world.said}) == 1


def test_a_rule_that_is_disabled_is_removed() -> None:
    world = World(threshold())
    world.minutes(0, [9, 9])
    assert words(world.reload(threshold(enabled=False))) == [("resolved", "rule_removed")]


def test_a_rule_that_stays_goes_on() -> None:
    world = World(threshold())
    world.minutes(0, [9, 9])
    assert world.reload(threshold(), OTHER) == []
    world.minutes(2, [0])
    assert episodes(one for one in world.said if one.rule == "high_error_rate") == [(0, 2, "high")]


def test_a_rule_that_goes_and_comes_within_a_minute_opens_another_episode() -> None:
    world = World(threshold())
    world.read(operations(0, 10, 9, final=False))
    world.reload(OTHER)
    world.reload(threshold(), rules_hash="hash-3")
    world.read(operations(0, 20, 19, final=False))
    ids = [(one.id, one.revision) for one in world.said if one.rule != "other"]
    assert len(set(ids)) == len(ids) == 3


def test_pending_survives_a_reload_that_does_not_touch_it() -> None:
    rule = threshold(**{"for": "2m"})
    world = World(rule)
    world.minutes(0, [9])
    world.reload(rule, OTHER)
    world.minutes(1, [9, 9])
    assert episodes(one for one in world.said if one.rule != "other") == [(2, None, "high")]


def test_rows_bring_everything_back() -> None:
    file = rule_file(threshold(**{"for": "1m"}))
    packed: dict[bytes, bytes] = {}
    world = World(threshold(**{"for": "1m"}))
    world.evaluation = Evaluator(file, "hash-1", packed=packed)
    world.minutes(0, [9, 9])
    world.evaluation.take_changes()
    world.evaluation = Evaluator(file, "hash-1", packed=packed)
    assert words(world.minutes(2, [0])) == [("resolved", "condition_gone")]


def test_versions_only_grow() -> None:
    packed: dict[bytes, bytes] = {}
    world = World(threshold(each="platform"))
    world.evaluation = Evaluator(rule_file(threshold(each="platform")), "h", packed=packed)
    versions = {}
    for minute in range(30):
        world.read(operations(minute, 10, minute % 3, platform="lever"))
        for key, value in world.evaluation.take_changes():
            assert version_of(value) > versions.get(key, (-1,))
            versions[key] = version_of(value)
    assert versions


# ------------------------------------------------------------------ the clock


def listens(evaluation: Evaluator, from_ms: int, to_ms: int) -> list[BreachRecord]:
    """Tick every few seconds; the broker tells each time that the log is read to its end."""
    said = []
    for now_ms in (*range(from_ms, to_ms, BROKER_AWAY_MS), to_ms):
        said += evaluation.tick(now_ms, seen_ms=now_ms)
    return said


def test_the_clock_settles_a_silent_partition_once_that_is_written() -> None:
    packed: dict[bytes, bytes] = {}
    evaluation = Evaluator(rule_file(threshold()), "h", packed=packed)
    evaluation.evaluate(0, (BASE + 1) * MINUTE_MS, read_aggregate(operations(0, 10, 9)))
    evaluation.take_changes()
    now_ms = (BASE + 1) * MINUTE_MS
    assert listens(evaluation, now_ms, now_ms + QUIET_MS - 1) == []
    assert not evaluation.wants_written
    assert listens(evaluation, now_ms + QUIET_MS, now_ms + QUIET_MS + MINUTE_MS) == []
    assert evaluation.wants_written
    changes = evaluation.take_changes()
    evaluation.written()
    assert listens(evaluation, now_ms + QUIET_MS + MINUTE_MS, now_ms + 5 * MINUTE_MS - 1) == []
    evaluation.take_changes()
    evaluation.written()
    assert listens(evaluation, now_ms + 5 * MINUTE_MS - 1, now_ms + 5 * MINUTE_MS) == []
    changes += evaluation.take_changes()
    again = Evaluator(rule_file(threshold()), "h", packed=dict(changes) | packed)
    evaluation.written()
    (said,) = evaluation.tick(now_ms + 5 * MINUTE_MS + 1, seen_ms=None)
    told = Breach.model_validate_json(said.value)
    assert (told.state, told.why, told.judged) == ("updated", "no_operations", False)
    assert told.summary == "high_error_rate on * is no longer judged: no operations for 5 min"
    assert again.tick(now_ms, seen_ms=None) == [said]  # killed after the clock was written


def test_the_clock_says_nothing_while_the_log_is_not_read_to_its_end() -> None:
    evaluation = Evaluator(rule_file(threshold()), "h")
    evaluation.evaluate(0, (BASE + 1) * MINUTE_MS, read_aggregate(operations(0, 10, 9)))
    for minute in range(10):
        evaluation.tick((BASE + minute) * MINUTE_MS, seen_ms=None)
        assert not evaluation.wants_written


def test_while_the_broker_says_nothing_no_time_is_quiet() -> None:
    evaluation = Evaluator(rule_file(threshold()), "h")
    evaluation.evaluate(0, (BASE + 1) * MINUTE_MS, read_aggregate(operations(0, 10, 9)))
    now_ms = (BASE + 1) * MINUTE_MS
    listens(evaluation, now_ms, now_ms + MINUTE_MS)
    for second in range(15 * 60):
        evaluation.tick(now_ms + MINUTE_MS + 1000 * second, seen_ms=now_ms + MINUTE_MS)
    back_ms = now_ms + 16 * MINUTE_MS
    listens(evaluation, back_ms, back_ms + QUIET_MS - 1)
    assert not evaluation.wants_written
    listens(evaluation, back_ms + QUIET_MS, back_ms + QUIET_MS + 1)
    assert evaluation.wants_written
