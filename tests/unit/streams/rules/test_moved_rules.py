"""What rules know moves with the series to partitions that are as far as the slowest was."""

from streams.rules.aggregate_reader import read_aggregate
from streams.rules.moved_rules import MovedRules, UnreadAggregate, in_order
from streams.rules.series_state import (
    PartitionProgress,
    RulesInEffect,
    SeriesState,
    pack,
    unpack_partition,
    unpack_rules,
    unpack_series,
)
from tests.unit.streams.rules.worlds import operations, service


def state(offset: int, generation: int = 2) -> bytes:
    return pack(SeriesState(generation, offset, 5, 3, "operations", {}, 7, 7, 1, 1))


def own(number: int, progress: PartitionProgress, rules: RulesInEffect) -> dict[bytes, bytes]:
    return {b"~state/%d" % number: pack(progress), b"~rules/%d" % number: pack(rules)}


def test_a_new_partition_is_as_far_as_the_slowest_was_and_begins_where_its_topic_does():
    first = own(
        0,
        PartitionProgress(2, 900, {"operations": 12, "service": 40}, {"operations": 30}),
        RulesInEffect(2, "old", "older rules"),
    )
    second = own(
        1,
        PartitionProgress(3, 70, {"operations": 10}, {"operations": 35}),
        RulesInEffect(3, "new", "newer rules"),
    )
    moved = MovedRules([first, second], [100, 0, 250])
    for number, begin in enumerate([100, 0, 250]):
        rows = dict(moved.of_partition(number))
        progress = unpack_partition(rows[b"~state/%d" % number])
        assert progress.offset == begin
        assert progress.generation == 3
        assert progress.horizon == {"operations": 10, "service": 40}
        assert progress.quiet == {"operations": 30}
        rules = unpack_rules(rows[b"~rules/%d" % number])
        assert (rules.generation, rules.hash, rules.text) == (3, "new", "newer rules")


def test_partitions_that_know_no_rules_move_without():
    moved = MovedRules([{}, {}], [0])
    ((key, progress),) = moved.of_partition(0)
    assert key == b"~state/0"
    assert unpack_partition(progress) == PartitionProgress()


def test_each_series_goes_to_its_new_partition_and_counts_as_evaluated_up_to_its_begin():
    rows = own(0, PartitionProgress(4), RulesInEffect(4, "h", "t"))
    moved = MovedRules([rows], [100, 250])
    rows |= {b"operations/a": state(17), b"operations/b": state(-1)}
    targets = {"a": 1, "b": 0}
    found = {
        key: (target, unpack_series(packed))
        for target, key, packed in moved.series(rows, 0, lambda _kind, name, _now: targets[name])
    }
    assert set(found) == {b"operations/a", b"operations/b"}
    target, evaluated = found[b"operations/a"]
    assert (target, evaluated.offset, evaluated.generation) == (1, 249, 4)
    assert (evaluated.settled, evaluated.published) == (5, 3)
    target, unread = found[b"operations/b"]
    assert (target, unread.offset) == (0, -1)  # nothing of it was evaluated


def test_records_of_several_partitions_are_ordered_by_their_windows_the_newest_of_each():
    def unread(key: str, value: bytes) -> UnreadAggregate:
        aggregate = read_aggregate(value)
        assert aggregate is not None
        return UnreadAggregate(key.encode(), value, 0, aggregate)

    records = [
        unread("a/2", operations(2, 10)),
        unread("a/1", operations(1, 4, final=False)),
        unread("a/1", operations(1, 9)),
        unread("crawler", service(5)),
        unread("a/1", operations(1, 7, final=False)),
        unread("b/1", operations(0, 5, size="5m")),
        unread("crawler", service(3)),
    ]
    found = [(it.key, it.aggregate.revision) for it in in_order(records)]
    assert [key for key, _ in found] == [b"crawler", b"crawler", b"b/1", b"a/1", b"a/2"]
    assert [revision for key, revision in found if key == b"a/1"] == [9]
    assert (
        in_order(records)[0].aggregate.window.start_ms
        > in_order(records)[1].aggregate.window.start_ms
    )
    assert records[0].series == ("operations", "*")
