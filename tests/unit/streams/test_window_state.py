"""Minutes, rows and sums: idempotent, and never more than their integers hold."""

import msgspec
import numpy as np
import pytest

from schemas.fields import MAX_SUM, Sums
from schemas.partials import ExemplarRow
from streams.measure.digests import pack
from streams.measure.merge import best_exemplars, merge_stats
from streams.measure.window_state import (
    OWN,
    MinuteState,
    OpenBlock,
    PartitionState,
    WindowState,
    pack_window,
    published_as,
    revision_of,
    unpack_window,
)
from tests.unit.streams.minute_samples import ENGINE, stats, told


def test_sums_add_up_and_extremes_stay():
    low = ExemplarRow(False, 9.0, "a", None)
    high = ExemplarRow(True, 1.0, "b", "E")
    merged = merge_stats(
        [stats(2, min_ms=0.5, exemplars=(low,)), stats(3, max_ms=9.0, exemplars=(high,))],
        ENGINE,
        500,
    )
    assert merged[:4] == ((5, 5, 20, 2, 4, 6, 8, 10, 12, 14), 8.0, 0.5, 9.0)
    assert merged.digest == pack(np.full(5, 2.0))
    assert merged.exemplars == (high, low)
    alone = stats()
    assert merge_stats([alone], ENGINE, 500) is alone


@pytest.mark.parametrize("field", Sums._fields)
def test_a_sum_stops_where_the_tables_integers_end(field):
    def of(value):
        return stats()._replace(sums=Sums(**{"count": 1, field: value}))

    merged = merge_stats([of(MAX_SUM - 1), of(2)], ENGINE, 500)
    assert getattr(merged.sums, field) == MAX_SUM
    assert unpack_window(pack_window(WindowState(stats=merged))).stats == merged
    again = merge_stats([merged, of(5)], ENGINE, 500)
    assert getattr(again.sums, field) == MAX_SUM


def test_three_exemplars_are_kept_failures_first_then_the_slowest_then_by_name():
    rows = [
        ExemplarRow(False, 9.0, "slow", None),
        ExemplarRow(True, 1.0, "b", None),
        ExemplarRow(True, 1.0, "c", None),
        ExemplarRow(True, 2.0, "a", None),
        ExemplarRow(False, 99.0, "slowest", None),
    ]
    assert [row.id for row in best_exemplars(rows)] == ["a", "c", "b"]
    assert [row.id for row in best_exemplars(rows[:2] + rows[4:])] == ["b", "slowest", "slow"]


def test_of_one_block_the_later_telling_stands():
    minute = MinuteState()
    assert told(minute, 0, 10, 12, 3)
    assert not told(minute, 0, 10, 11, 2)
    assert not told(minute, 0, 10, 12, 3)
    assert told(minute, 0, 10, 19, 5)
    assert minute.count() == 5
    assert minute.base is None


def test_a_later_block_adds_and_an_earlier_one_is_known():
    minute = MinuteState()
    told(minute, 0, 10, 12, 3)
    assert told(minute, 0, 20, 21, 1)
    assert not told(minute, 0, 10, 19, 9)
    assert told(minute, 0, 30, 31, 2)
    assert minute.count() == 6
    assert minute.base.sums.count == 4
    assert len(minute.parts()) == 2


def test_sources_do_not_disturb_each_other():
    minute = MinuteState()
    told(minute, 0, 10, 12, 3)
    assert told(minute, 1, 5, 6, 4)
    assert told(minute, 1, 9, 9, 1)
    assert minute.count() == 8
    assert minute.base.sums.count == 4


def test_members_of_overflow_are_told_apart_and_end_with_their_block():
    minute = MinuteState()
    told(minute, 0, 10, 12, 3, "a")
    assert told(minute, 0, 10, 11, 4, "b")
    assert not told(minute, 0, 10, 11, 4, "b")
    assert minute.count() == 7
    assert told(minute, 0, 20, 20, 1, "c")
    assert minute.base.sums.count == 7
    assert list(minute.open[0].members) == ["c"]
    assert minute.count() == 8


def test_a_row_survives_packing_and_tells_its_version_first():
    minute = MinuteState(stats(2), {3: OpenBlock(7, {OWN: (9, stats(4))})}, 5, 6)
    row = WindowState(6, 12, minutes=[None, minute, None, None, None])
    assert unpack_window(pack_window(row)) == row
    assert row.count() == 6
    assert revision_of(pack_window(row)) == (6, 12, False)
    sealed = WindowState(9, 19, True, stats=stats(9), children=[(4, 1), (5, 0)])
    assert unpack_window(pack_window(sealed)) == sealed
    assert sealed.count() == 9
    assert revision_of(pack_window(sealed)) == (9, 19, True)
    assert revision_of(msgspec.msgpack.encode(PartitionState(8, 3, {0: 5}))) == (8, 3, False)


def test_a_final_revision_is_newer_than_the_same_one_not_final():
    assert published_as(3, final=False) < published_as(3, final=True) < published_as(4, final=False)


def test_new_minutes_and_rows_share_nothing():
    told(MinuteState(), 0, 1, 1, 1)
    assert MinuteState().open == {}
    assert WindowState().children == []
