"""The delay of source partitions is what the newest record of progress says of each."""

from streams.dashboard.delays import SourceDelay, source_delays
from streams.measure.partials import progress_record, rows_records
from streams.measure.watermarks import Reached

NOW_MS = 1_795_435_200_000


def progress(*sources: int, late_ms: int, at_ms: int = NOW_MS) -> tuple[bytes, int]:
    bits = sum(1 << source for source in sources)
    return progress_record(Reached(bits, at_ms - late_ms)), at_ms


def test_the_largest_delay_comes_first_with_its_partitions():
    found = source_delays([progress(0, 1, 2, 5, late_ms=800), progress(3, late_ms=9_000)])
    assert found == (SourceDelay("3", 9_000), SourceDelay("0–2, 5", 800))


def test_a_partition_that_moved_counts_where_it_was_reported_last():
    found = source_delays([progress(0, 1, late_ms=5_000), progress(1, late_ms=100)])
    assert found == (SourceDelay("0", 5_000), SourceDelay("1", 100))
    assert source_delays([progress(1, late_ms=5_000), progress(0, 1, late_ms=-100)]) == (
        SourceDelay("0–1", 0.0),
    )


def test_many_ranges_are_counted():
    (found,) = source_delays([progress(*range(0, 20, 2), late_ms=0)])
    assert found.partitions == "0, 2, 4, 6, 8, 10, 4 more"


def test_what_is_no_progress_says_nothing():
    rows = list(rows_records(0, 0, [], 0))
    broken = [b"", b'{"kind":"progress"', b'{"kind":"progress","sources":"","at_ms":1}']
    assert source_delays((value, NOW_MS) for value in [*rows, *broken]) == ()
