"""Whatever a fetch holds is read or described, offsets only grow, and good batches are all read."""

import gzip
import struct
from collections.abc import Sequence

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.kafka import batches
from agents.kafka.batches import ReadBatch, read_batches
from tests.effort import examples

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
VALUE = b'{"id":"%d","operation":"parse","success":true}'


def batch(
    base: int, values: Sequence[bytes | None], codec: int = 0, *, timestamp: int = 1_700_000_000_000
) -> bytearray:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=100_000_000,
    )
    for i, value in enumerate(values):
        builder.append(i, timestamp, b"k", value, [("h", b"v"), ("none", None)])
    made = bytearray(builder.build())
    made[:8] = struct.pack(">q", base)
    return made


def with_body(body: bytes, codec: int, count: int, last: int | None = None) -> bytearray:
    """Return a batch whose checksum is right whatever is in it."""
    made = batch(100, [b"x"] * count)[:61] + body
    made[8:12] = struct.pack(">i", len(made) - 12)
    made[21:23] = struct.pack(">h", codec)
    if last is not None:
        made[23:27] = struct.pack(">i", last)
    return signed(made)


def signed(made: bytearray) -> bytearray:
    made[17:21] = struct.pack(">I", calc_crc32c(bytes(made[21:])))
    return made


def body_of(values: Sequence[bytes | None]) -> bytes:
    return bytes(batch(0, values)[61:])


def read(data: bytes | bytearray, position: int) -> list[ReadBatch]:
    """ReadBatch, and hold what is always true."""
    found, at = list(read_batches(bytes(data), position)), position
    for one in found:
        assert one.end > at
        offsets = [record.offset for record in one.records]
        assert offsets == sorted(set(offsets))
        assert all(at <= offset < one.end for offset in offsets)
        assert all(type(record.timestamp) is int for record in one.records)
        if one.unreadable:
            assert not one.records
            assert one.unreadable.start < one.unreadable.end == one.end
            assert one.unreadable.detail
        at = one.end
    return found


def values_of(found: list[ReadBatch]) -> list[bytes | None]:
    return [record.value for one in found for record in one.records]


def faults(found: list[ReadBatch]) -> list[tuple[int, int, str]]:
    return [
        (one.unreadable.start, one.unreadable.end, one.unreadable.detail)
        for one in found
        if one.unreadable
    ]


def values(first: int, count: int) -> list[bytes]:
    return [VALUE % i for i in range(first, first + count)]


BEFORE, AFTER = values(90, 10), values(110, 10)


def between(broken: bytes | bytearray) -> bytes:
    """Put a batch that stands for the offsets 100 to 109 between good ones."""
    return bytes(batch(90, BEFORE) + broken + batch(110, AFTER, 1))


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("timestamp", [1_700_000_000_000, -1, 0])
def test_every_codec_is_read(codec, timestamp):
    sent = [*values(0, 300), None, b""]
    found = read(batch(7, sent, codec, timestamp=timestamp), 7)
    assert values_of(found) == sent
    assert {record.timestamp for record in found[0].records} == {timestamp}
    assert found[0].end == 7 + len(sent)


def test_snappy_without_blocks_and_gzip_of_several_members_are_read():
    sent = values(100, 10)
    raw = bytes(cramjam.snappy.compress_raw(body_of(sent)))
    body = body_of(sent)
    members = gzip.compress(body[:200]) + gzip.compress(body[200:])
    assert values_of(read(with_body(raw, 2, 10), 100)) == sent
    assert values_of(read(with_body(members, 1, 10), 100)) == sent


def broken() -> dict[str, bytearray]:
    good = batch(100, values(100, 10))
    packed = {name: batch(100, values(100, 10), codec) for name, codec in CODECS.items()}
    found = {
        "checksum": good[:-1] + bytes([good[-1] ^ 1]),
        "version 7": good[:16] + b"\x07" + good[17:],
        "version 255": good[:16] + b"\xff" + good[17:],
        "more records than offsets": with_body(body_of(values(100, 10)), 0, 10, last=8),
        "more records than there are": with_body(body_of(values(100, 9)), 0, 10),
        "fewer records than there are": with_body(body_of(values(100, 11)), 0, 10),
        "offsets beyond the batch": with_body(body_of(values(100, 10)), 0, 9, last=9),
        "nothing in it": with_body(b"", 0, 10),
        "not in order": with_body(body_of(values(100, 5)) * 2, 0, 10),
        "a header that is not UTF-8": with_body(
            body_of(values(100, 10)).replace(b"none", b"\xff\xfe\xff\xfe"), 0, 10
        ),
        "too many records": with_body(b"", 0, 10),
        "gzip, many times over": with_body(gzip.compress(bytes(300_000_000), 1), 1, 10),
        "lz4, many times over": with_body(cramjam.lz4.compress(bytes(300_000_000)), 3, 10),
        "zstd, many times over": with_body(cramjam.zstd.compress(bytes(300_000_000)), 4, 10),
        "gzip of many members": with_body(gzip.compress(b"") * 101, 1, 10),
        "snappy that says 4 GB": with_body(b"\xff\xff\xff\xff\x0f" + bytes(100), 2, 10),
        "an empty xerial block": with_body(b"\x82SNAPPY\x00" + bytes(100), 2, 10),
    }
    for codec in (1, 2, 3, 4, 5, 6, 7):
        found[f"codec {codec} over what it is not"] = with_body(body_of(values(100, 10)), codec, 10)
    for name, made in packed.items():
        if name != "none":
            found[f"{name}, cut"] = with_body(bytes(made[61:-9]), CODECS[name], 10)
            found[f"{name}, empty"] = with_body(b"", CODECS[name], 10)
    return {name: bytearray(made) for name, made in found.items()}


BROKEN = broken()


@pytest.mark.parametrize("name", BROKEN)
def test_a_batch_that_cannot_be_read_stands_for_its_offsets_and_its_neighbours_are_read(name):
    found = read(between(BROKEN[name]), 90)
    ((start, end, detail),) = faults(found)
    assert (start, end) == (100, 110), detail
    assert len(detail) < 400
    assert values_of(found) == BEFORE + AFTER
    (again,) = faults(read(between(BROKEN[name])[len(batch(90, BEFORE)) :], 105))
    assert again == (start, end, detail)


def test_more_records_than_a_batch_may_hold(monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCH_RECORDS", 9)
    assert [fault[:2] for fault in faults(read(batch(100, values(100, 10)), 100))] == [(100, 110)]


def test_what_compaction_left_empty_is_counted_alike_wherever_reading_begins():
    whole = batch(90, BEFORE) + batch(100, values(100, 10), 3) + batch(110, AFTER)
    assert [one.holes for one in read(whole, 90)] == [(), (), ()]
    assert [one.holes for one in read(whole, 95)] == [(), (), ()]
    sparse = with_body(body_of(values(100, 4)), 0, 4, last=9)
    holes = [(100, 110, 6)], [(110, 120, 10)]
    log = batch(90, BEFORE) + sparse + batch(120, AFTER)
    assert [list(one.holes) for one in read(log, 80)] == [[(80, 90, 10)], *holes]
    assert [list(one.holes) for one in read(log, 90)] == [[], *holes]
    assert [list(one.holes) for one in read(log, 102)] == [*holes]


@pytest.mark.parametrize("base", [2**40 - 1, 2**62, 111, 10_000])
def test_an_offset_that_is_not_the_batchs_own_leads_nobody_away(base):
    one = batch(100, values(100, 10))
    one[:8] = struct.pack(">q", base)
    found = read(between(one), 90)
    assert [fault[:2] for fault in faults(found)] == [(100, 110)]
    assert values_of(found) == BEFORE + AFTER


@pytest.mark.parametrize("length", [0, 1, 5, 30, 60, 100, 100_000, 2**31 - 1, -1, -(2**31)])
@pytest.mark.parametrize("place", ["first", "between"])
def test_after_a_wrong_length_the_next_batch_is_found(length, place):
    one = batch(100, values(100, 10))
    one[8:12] = struct.pack(">i", length)
    data = between(one)
    found = read(data, 90)
    if place == "first" or found[-1].end == 100:  # as the next fetch has it
        found = read(data[len(batch(90, BEFORE)) :], 100)
    assert faults(found)[0][:2] == (100, 110)
    assert values_of(found)[-10:] == AFTER


@given(
    codec=st.sampled_from(sorted(CODECS.values())),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    sign=st.booleans(),
    position=st.integers(95, 112),
)
@settings(max_examples=examples(250), deadline=None)
@example(codec=0, changes=[(0.0, 255)], sign=False, position=95)
def test_no_change_of_bytes_ends_reading(codec, changes, sign, position):
    one = batch(100, values(100, 10), codec)
    for place, byte in changes:
        one[int(place * len(one))] = byte
    if sign:
        signed(one)
    found = read(between(one), position)
    read(one, position)
    if one[:12] == batch(100, values(100, 10), codec)[:12]:  # offset and length are not changed
        expected = [v for i, v in enumerate(BEFORE, 90) if i >= position]
        expected_after = [v for i, v in enumerate(AFTER, 110) if i >= position]
        assert values_of(found)[: len(expected)] == expected
        assert values_of(found)[-len(expected_after) :] == expected_after


@given(st.binary(max_size=300), st.integers(0, 2**40))
@settings(max_examples=examples(250), deadline=None)
def test_bytes_of_no_kind_end_reading(data, position):
    read(data, position)


@given(st.sampled_from([0, 1, 2]), st.integers(0, 1), st.integers(0, 400), st.integers(0, 255))
@settings(max_examples=examples(250), deadline=None)
def test_old_formats_are_read_or_described(codec, magic, place, byte):
    builder = LegacyRecordBatchBuilder(magic, codec, 10_000)
    for i in range(5):
        builder.append(i, 1_700_000_000_000, b"k", b"v%d" % i)
    good = bytes(builder.build())
    if codec:
        good = struct.pack(">q", 4) + good[8:]  # as the broker has it: the last one's offset
    found = read(good, 0)
    assert values_of(found) == [b"v%d" % i for i in range(5)]
    changed = bytearray(good)
    changed[place % len(changed)] = byte
    read(changed, 0)
