"""Whatever bytes a topic holds, each record counts or is refused with a reason: nothing raises."""

import asyncio
import base64
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
from tests.properties.worlds import MONDAY_MS, operation

LIMITS = TimeLimits(3_600_000, 60_000)
REASONS = set(get_args(Reason))


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


BREACH = {
    "version": 1,
    "id": "b",
    "fingerprint": "f",
    "revision": 1,
    "state": "opened",
    "rule": "slow",
    "severity": "high",
}
COMMANDS = [
    {"kind": "acknowledge", "id": "1", "by": "a", "at_ms": 5, "fingerprint": "f", "breach_id": "b"},
    {
        "kind": "silence",
        "id": "1",
        "by": "a",
        "at_ms": 5,
        "matchers": [{"label": "rule", "operator": "=~", "value": "a.*"}],
        "start_ms": 1,
        "end_ms": 2,
    },
]
ANALYSIS = {
    "id": "a",
    "service": "api",
    "operation": "analyze_job",
    "occurred_at": MONDAY_MS,
    "input": {"hash": "h", "text": "Baker in Oslo, 42,000 a year", "facts": {"title": "Baker"}},
    "result": {
        "label": "likely_real",
        "score": 0.2,
        "confidence": 0.9,
        "fields": {"title": "Baker", "company": None, "salary": 42000, "tags": ["a", {"b": 1}]},
        "evidence": [{"quote": "Baker in Oslo", "field": "title"}],
        "factors": [{"description": "d", "direction": "raises", "weight": 0.5}],
    },
    "duration_ms": 12.5,
}
LABEL = {"analysis": "a", "about": "title", "truth": ["x", 1], "source": "s", "at": MONDAY_MS}
SCORE = {
    "analysis": "a",
    "service": "api",
    "operation": "analyze_job",
    "platform": "generic",
    "model": "m",
    "occurred_at": MONDAY_MS,
    "overall": 0.5,
    "dimensions": {},
    "left_out": [],
    "actions": ["reanalyse"],
    "configuration": "c",
    "took_ms": 1.0,
    "source": [0, 1],
}
REMEDIATION = {
    "id": "r",
    "analysis": "a",
    "input_hash": "h",
    "service": "api",
    "operation": "analyze_job",
    "platform": "generic",
    "model": "m",
    "action": "reanalyse",
    "attempt": 1,
    "overall": 0.5,
    "findings": [{"code": "c", "dimension": "accuracy", "message": "m", "cost": 0.5}],
    "requested_at": 10**14,
}
HEARTBEAT = {"service": "api", "sent_at": MONDAY_MS, "every_s": 10.0, "message": "well"}
AGGREGATE = {
    "kind": "operations",
    "series": {"operation": "parse"},
    "window": {"size": "1m", "start_ms": MONDAY_MS, "end_ms": MONDAY_MS + 60_000},
    "revision": 3,
    "final": True,
    "count": 3,
    "failures": 1,
    "duration_ms": {"sum": 4.5},
    "cache": {"lookups": 1, "hits": 1, "misses": 0, "evictions": 0},
    "mean_confidence": None,
    "confidence_count": 0,
    "exemplars": [{"id": "x", "success": False, "duration_ms": 1.0, "error_type": None}],
    "digest": {"n": 3, "centroids": [{"m": 1.5, "c": 3}]},
}
PARTIAL = {
    "kind": "rows",
    "source": 0,
    "block": 0,
    "rows": [
        [
            "parse",
            MONDAY_MS // 60_000,
            7,
            [1, 1, 1500, 2.25, 1.5, 1.5, 0, 0, 0, 0, 0, 0, 0,
             base64.b64encode(b"\0\0\0\xc0?").decode(), [[False, 1.5, "x", None]]],
        ]
    ],
}  # fmt: skip
PROGRESS = {
    "kind": "progress",
    "sources": base64.b64encode(b"\3").decode(),
    "at_ms": MONDAY_MS + 120_000,
    "newest_ms": MONDAY_MS + 120_000,
    "quiet_ms": 0,
}
MISSING = {
    "kind": "missing",
    "source": 0,
    "first_offset": 3,
    "count": 5,
    "since_ms": MONDAY_MS,
    "until_ms": MONDAY_MS + 60_000,
}
REAL = [
    operation(),
    [operation(), operation()],
    HEARTBEAT,
    AGGREGATE,
    PARTIAL,
    PROGRESS,
    MISSING,
    BREACH,
    *COMMANDS,
    ANALYSIS,
    LABEL,
    SCORE,
    REMEDIATION,
]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, "x" * 200, "\ud800", "*", "2026-01-01", -1, 2**63, 1e308]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
SNIPPETS = st.sampled_from(
    [
        b"", b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"null", b"NaN", b"-", b"1e999",
        b"9" * 5000, b"[" * 300, b"{},", b"\xff", b"\0", b'"id":1,', b"\\ud800", b" " * 50,
    ]
)  # fmt: skip


@st.composite
def mutated(draw, *reals):
    """Draw a real record, of some topic if none is given, with fields and bytes changed."""
    real = draw(st.sampled_from(reals or REAL))
    record = json.loads(json.dumps(real))
    if isinstance(record, dict) and draw(st.booleans()):
        for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=3)):
            if draw(st.booleans()):
                record[name] = draw(JSON)
            else:
                record.pop(name, None)
    value = json.dumps(record).encode()
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(value)))
        gone = draw(st.integers(0, 10))
        value = value[:at] + draw(SNIPPETS) + value[at + gone :]
    return value


ANY = (
    st.none()
    | st.binary(max_size=60)
    | JSON.map(lambda said: json.dumps(said).encode())
    | st.lists(SNIPPETS, max_size=6).map(b"".join)
    | mutated()
)


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


NUMBERS = st.sampled_from([0, 1, 2, 7, MONDAY_MS, 2**31, 2**53, 2**53 + 1, 2**63, 10**30, -1])
COUNTS = st.sampled_from([0, 1, 3, 1 << 40, 2**63 - 1])
NAMES = st.sampled_from(
    [
        "*", "parse", "", "overall:*", 'accuracy:a{model="x"}', "beauty:*", "overall:",
        '*{confidence="low"}', '*{confidence="none"}', '*{confidence=""}', "{}",
        'a{platform="x"}', "~state/0", "1m/5/x", "x/1m/60000", "\0", "é" * 500, "overflow",
    ]
) | st.text(max_size=8)  # fmt: skip


@st.composite
def partial(draw):
    """Draw a record of a partial's form, with values that anybody could write."""
    row = json.loads(json.dumps(PARTIAL["rows"][0]))
    row[0], row[2] = draw(NAMES), draw(NUMBERS)
    row[1] = draw(
        st.sampled_from([0, 1, MONDAY_MS // 60_000, MONDAY_MS // 60_000 + 7])
        | st.integers(0, 2**53)
    )
    for _ in range(draw(st.integers(0, 3))):
        row[3][draw(st.integers(0, 12))] = draw(
            COUNTS | st.sampled_from([1e300, 1e308, 0.5, -1, None])
        )
    row[3][13] = base64.b64encode(draw(st.just(b"\0\0\0\xc0?") | st.binary(max_size=9))).decode()
    rows = {"kind": "rows", "source": draw(NUMBERS), "block": draw(NUMBERS), "rows": [row]}
    rows["next_offset"] = draw(NUMBERS)
    progress = PROGRESS | {"at_ms": draw(NUMBERS), "newest_ms": draw(NUMBERS | st.none())}
    progress["quiet_ms"] = draw(NUMBERS)
    progress["sources"] = base64.b64encode(draw(st.binary(max_size=3))).decode()
    missing = MISSING | {name: draw(NUMBERS) for name in MISSING if name != "kind"}
    return json.dumps(draw(st.sampled_from([rows, progress, missing]))).encode()


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
