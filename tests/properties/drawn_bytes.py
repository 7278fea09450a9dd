"""Draw what a topic may hold: real records, such records spoilt, and any bytes."""

import base64
import json

from hypothesis import strategies as st

from tests.properties.worlds import MONDAY_MS, operation

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
