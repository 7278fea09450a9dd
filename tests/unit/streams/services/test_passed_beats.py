"""What passes heartbeats on is read as it was written, and anybody's bytes are refused."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partials import LAST_SOURCE
from streams.services.passed_beats import (
    BeatRecord,
    ReadToEnd,
    SourcesSeen,
    is_passed_beat,
    passed_beat,
    read_beats,
    read_to_end,
)
from streams.validation import NotFit

SOURCES = st.integers(0, LAST_SOURCE)
MAYBE_BYTES = st.none() | st.binary(max_size=50)


@given(SOURCES, st.integers(0, 2**53), st.integers(-1, 2**53), MAYBE_BYTES, MAYBE_BYTES)
def test_a_heartbeat_is_passed_on_as_it_came(source, offset, timestamp, key, value):
    record = SimpleNamespace(offset=offset, timestamp=timestamp, key=key, value=value)
    written = passed_beat(source, record)
    assert read_beats(written) == BeatRecord(source, offset, timestamp, key, value)
    assert is_passed_beat(written)


@given(st.frozensets(SOURCES, max_size=9), st.integers(0, 2**53))
def test_which_partitions_were_read_to_their_end_is_passed_on(sources, seen_ms):
    written = read_to_end(sources, seen_ms)
    assert read_beats(written) == ReadToEnd(sources, seen_ms)
    assert not is_passed_beat(written)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"kind":"other","version":1}',
        b'{"kind":"beat","version":1}',
        b'{"kind":"beat","version":2,"source":0,"offset":1,"timestamp_ms":1,"key":null,"value":null}',
        b'{"kind":"beat","version":1,"source":-1,"offset":1,"timestamp_ms":1,"key":null,"value":null}',
        b'{"kind":"beat","version":1,"source":0,"offset":1e99,"timestamp_ms":1,"key":null,"value":null}',
        b'{"kind":"beat","version":1,"source":0,"offset":1,"timestamp_ms":1,"key":"*","value":null}',
        b'{"kind":"read","version":1,"sources":7,"seen_ms":1}',
        json.dumps({"kind": "read", "version": 1, "sources": "A" * 20_000, "seen_ms": 1}).encode(),
    ],
)
def test_what_is_no_record_of_beats_is_refused(value):
    with pytest.raises(NotFit):
        read_beats(value)
    assert not is_passed_beat(value)


def test_all_partitions_are_seen_when_the_slowest_is():
    seen = SourcesSeen()
    assert seen.seen_ms(0) is None
    seen.note(ReadToEnd(frozenset({0, 1}), 10))
    assert (seen.seen_ms(2), seen.seen_ms(3)) == (10, None)
    seen.note(ReadToEnd(frozenset({2}), 30))
    seen.note(ReadToEnd(frozenset({0, 1}), 20))
    seen.note(ReadToEnd(frozenset({2}), 5))  # of a former owner
    assert seen.seen_ms(3) == 20
