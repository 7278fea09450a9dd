"""Whatever bytes a topic holds, each record counts or is refused with a reason: nothing raises."""

import asyncio
import contextlib
import json
from typing import NamedTuple, get_args
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.quality.score_log import parse_score
from agents.quality_file.assessors import load_assessors
from opwatch_client import remediation_calls
from opwatch_client.consumer import Incoming
from opwatch_client.remediation_calls import Remedies
from schemas.dead_letters import DeadLetter, Reason, from_headers, to_headers
from schemas.quality_config import QualityConfig
from streams.alerting.inputs import read_breach, read_command
from streams.measure.blocks import Block
from streams.measure.digests import ENGINES
from streams.measure.operation_reader import read_events
from streams.measure.partials import read_partial
from streams.measure.watermarks import Reached
from streams.measure.window_kind import OPERATIONS_WINDOWS, WindowKind
from streams.measure.window_state import RemovedRecords
from streams.measure.window_times import TimeLimits
from streams.measure.windows import Windows
from streams.quality.analyses import read_analysis
from streams.quality.arrival import arrive
from streams.quality.assessor import Context
from streams.quality.input_state import InputState
from streams.quality.label_records import decode, encode, sample_of
from streams.quality.labels import read_label, truth_of
from streams.quality.publication import scored_value
from streams.quality.quality_aggregate import QUALITY_WINDOWS
from streams.quality.remedies import Place
from streams.quality.score import combine
from streams.record_limits import RefusedRecord
from streams.rules.aggregate_reader import read_aggregate
from streams.services.heartbeat_reader import read_heartbeat
from streams.validation import DETAIL_LENGTH, NotFit
from tests.effort import examples
from tests.properties.drawn_bytes import (
    ANALYSIS,
    ANY,
    LABEL,
    PARTIAL,
    PROGRESS,
    REMEDIATION,
    SCORE,
    mutated,
    partial,
)
from tests.properties.worlds import MONDAY_MS

LIMITS = TimeLimits(3_600_000, 60_000)
REASONS = set(get_args(Reason))


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def well_refused(refused):
    assert refused.reason in REASONS
    assert 0 < len(refused.detail) <= DETAIL_LENGTH
    letter = DeadLetter(
        reason=refused.reason,
        detail=refused.detail,
        topic="operations",
        partition=0,
        offset=refused.record.offset,
        timestamp_ms=refused.record.timestamp,
        size_bytes=len(refused.value),
        sha256="",
    )
    assert from_headers(to_headers(letter)) == letter


@settings(max_examples=examples(300))
@given(st.lists(ANY, min_size=1, max_size=4))
def test_operations_count_or_are_refused_and_neighbours_do_not_matter(values):
    records = [Record(i, MONDAY_MS, None, value) for i, value in enumerate(values)]
    events, refused = read_events(records, LIMITS)
    for one in refused:
        well_refused(one)
    alone = [read_events([record], LIMITS) for record in records]
    assert events.offset.tolist() == [at for found, _ in alone for at in found.offset.tolist()]
    assert sorted((one.record.offset, one.index or 0) for one in refused) == sorted(
        (one.record.offset, one.index or 0) for _, found in alone for one in found
    )
    seen = {*events.offset.tolist(), *(one.record.offset for one in refused)}
    assert seen == set(range(len(values)))
    block = Block(0)
    assert block.take(events, 0) == len(events.offset)
    block.fold(-1)


@settings(max_examples=examples(200))
@given(ANY, st.none() | st.binary(max_size=5) | st.just(b"api"))
def test_a_heartbeat_is_one_or_is_refused(value, key):
    found = read_heartbeat(Record(0, MONDAY_MS, key, value), TimeLimits(3_600_000, 60_000))
    if isinstance(found, RefusedRecord):
        well_refused(found)


@settings(max_examples=examples(200))
@given(ANY)
def test_breaches_and_commands_are_fit_or_say_why(value):
    for read in (read_breach, read_command):
        why = "fit"
        try:
            read(value or b"")
        except NotFit as unfit:
            why = str(unfit)
        assert 0 < len(why) <= DETAIL_LENGTH


@settings(max_examples=examples(200))
@given(ANY)
def test_an_aggregate_is_of_use_or_none(value):
    read_aggregate(value or b"", MONDAY_MS)


ASSESSORS = load_assessors(())
CONFIG = QualityConfig()


@settings(max_examples=examples(100))
@given(ANY | mutated(ANALYSIS), st.none() | st.binary(max_size=5) | st.just(b"h"))
def test_an_analysis_is_scored_or_refused(value, key):
    found = read_analysis(Record(3, MONDAY_MS, key, value), LIMITS)
    if isinstance(found, RefusedRecord):
        well_refused(found)
        return
    state, place = InputState(), Place(3, MONDAY_MS)
    known = arrive(state, found, place, CONFIG)
    context = Context(config=CONFIG, earlier=known.earlier, labels=known.labels)
    results = {it.dimension: it.assess(found, context) for it in ASSESSORS}
    score = combine(
        found,
        {name: result for name, result in results.items() if result is not None},
        CONFIG,
        assessors=ASSESSORS,
        configuration="",
        source=(0, 3),
        took_ms=0,
        each_took_ms={},
    )
    body = json.loads(scored_value(value, found, score.model_dump_json().encode()))
    assert body["analysis"]["id"] == body["quality"]["analysis"]
    sample = sample_of(found, score.overall, 0, state.truths)
    assert decode(encode(sample)) == sample


@settings(max_examples=examples(75))
@given(ANY | mutated(LABEL), st.none() | st.binary(max_size=5) | st.just(b"a"))
def test_a_label_is_one_or_is_refused(value, key):
    found = read_label(Record(0, MONDAY_MS, key, value), LIMITS)
    if isinstance(found, RefusedRecord):
        well_refused(found)
    else:
        json.loads(truth_of(found).truth)


@settings(max_examples=examples(50))
@given(ANY | mutated(SCORE))
def test_a_score_is_one_or_none(value):
    parse_score(Record(0, MONDAY_MS, None, value))


@settings(max_examples=examples(30))
@given(st.lists(ANY | mutated(REMEDIATION), max_size=3))
def test_a_request_to_remedy_is_handled_or_left_out(values):
    remedies = Remedies("api")
    with patch.dict(remediation_calls._handlers):  # a process has them, and other tests
        remediation_calls.register("reanalyse", lambda _: None, within_s=5)
        asyncio.run(remedies.handle([Incoming(b"", value) for value in values]))
    assert remedies.handled + remedies.failed <= len(values)


SCORE_PARTIAL = PARTIAL | {"rows": [["overall:parse", *PARTIAL["rows"][0][1:]]]}


@pytest.mark.parametrize(
    ("kind", "real"), [(OPERATIONS_WINDOWS, PARTIAL), (QUALITY_WINDOWS, SCORE_PARTIAL)]
)
@settings(max_examples=examples(150))
@given(values=st.lists(ANY | partial(), min_size=1, max_size=6))
def test_partials_count_or_say_why_and_windows_go_on(kind: WindowKind, real, values):
    packed = {}
    times = TimeLimits(3_600_000, 60_000, 10_000)
    for _ in range(2):  # and after a restart, when the same comes again
        windows = Windows(0, 2, packed, times, ENGINES["fastdigest"], 10, MONDAY_MS, kind)
        for value in [*values, json.dumps(real).encode(), json.dumps(PROGRESS).encode()]:
            told, why = None, "fit"
            try:
                told = read_partial(value or b"", kind.is_series)
            except NotFit as unfit:
                why = str(unfit)
            assert 0 < len(why) <= DETAIL_LENGTH
            if told is None:
                continue
            if isinstance(told, Reached):
                windows.progress(told.until(MONDAY_MS + 60_000))
            elif isinstance(told, RemovedRecords):
                windows.missing(told)
            else:
                windows.apply(told.source, told.block, told.rows, MONDAY_MS, told.next_offset)
        windows.advance(MONDAY_MS + 1)
        for publication in windows.collect(MONDAY_MS + 100_000):
            json.loads(publication.value)
            windows.confirm(publication)
        windows.retire()
        windows.take_changes()


@settings(max_examples=examples(150))
@given(st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary(max_size=8)), max_size=12))
def test_headers_are_a_dead_letters_or_a_value_error(headers):
    names = [*DeadLetter.model_fields]
    known = [(names[len(name) % len(names)], value) for name, value in headers]
    for some in (headers, known):
        with contextlib.suppress(ValueError):
            from_headers(some)
