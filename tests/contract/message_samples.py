"""Make real messages of each topic, as they travel."""

import json
from typing import Any

from schemas.analyses import Analysis
from schemas.beats import HeartbeatsRead, PassedBeat
from schemas.breaches import Breach
from schemas.dead_letters import DeadLetter, to_headers
from schemas.notifications import Notification
from schemas.partials import Partials, Progress
from schemas.quality_scores import QualityScore, ScoredAnalysis
from schemas.remediations import Remediation
from streams.quality.calibration import CalibrationSums
from streams.quality.label_records import (
    AnalysisLabel,
    InputLabel,
    PartitionSums,
    encode,
    sample_of,
)
from streams.quality.labels import SourceTruth
from tests.unit.cli.samples import aggregate
from tests.unit.streams.services_world import World, beat

OPERATION = {
    "id": "a",
    "operation": "parse_job_data",
    "occurred_at": 1_772_600_760_000,
    "success": True,
    "duration_ms": 12.5,
}
ANALYSIS = {
    "id": "a1",
    "service": "ghost-jobs",
    "operation": "analyze_job",
    "occurred_at": "2026-03-04T05:06:00Z",
    "input": {"hash": "sha256:1f", "text": "Baker wanted in Ulm.", "facts": {"city": "Ulm"}},
    "result": {
        "label": "likely_real",
        "score": 0.1,
        "fields": {"title": "Baker", "salary": None},
        "evidence": [{"quote": "Baker wanted"}],
        "factors": [{"description": "names a city", "direction": "lowers"}],
    },
    "duration_ms": 1_800.5,
}
FINDING = {
    "code": "invented_quote",
    "dimension": "accuracy",
    "message": "the quote 'we never sleep' is not in the input",
    "cost": 0.3,
    "field": None,
}
OF_ANALYSIS = {"analysis": "a1", "service": "ghost-jobs", "operation": "analyze_job"} | {
    "platform": "lever",
    "model": "m-1",
}
SCORE = QualityScore(
    **OF_ANALYSIS,
    occurred_at=1,
    overall=0.7,
    dimensions={
        "accuracy": {
            "score": 0.7,
            "weight": 1.0,
            "findings": [FINDING],
            "assessor": "accuracy/1",
            "took_ms": 1.5,
        }
    },
    left_out=[{"dimension": "consistency", "why": "nothing_to_judge", "detail": "first of it"}],
    actions=["reanalyse"],
    configuration="08788c48876c",
    took_ms=2.5,
    source=(3, 7),
)
TRUTH = SourceTruth(1, '"Baker"', verified=True)
REMEDIATION = Remediation(
    **OF_ANALYSIS,
    id="r1",
    input_hash="sha256:1f",
    action="reanalyse",
    attempt=1,
    overall=0.65,
    findings=[FINDING],
    requested_at=1,
)
STATS = [[1, 1, 12_500, *[0] * 7], 156.25, 12.5, 12.5, "AAAA", [[True, 12.5, "a", None]]]
BREACH = Breach(
    id="b1",
    revision=1,
    state="opened",
    why="violated",
    fingerprint="f1",
    rule="high_error_rate",
    kind="metric_threshold",
    series='*{platform="lever"}',
    labels={"platform": "lever"},
    severity="high",
    metric="error_rate",
    operator="greater_than",
    threshold=5.0,
    observed=12.5,
    unit="%",
    samples=80,
    span={"start_ms": 1_772_600_460_000, "end_ms": 1_772_600_760_000},
    since_ms=1_772_600_700_000,
    opened_ms=1_772_600_760_000,
    confirmed=False,
    summary="12.5 % of 80 operations of lever failed in 5m; at most 5 % may.",
    routing={"channels": ["slack_engineering"], "cooldown_ms": 600_000},
    rules_hash="08788c48876c",
)
COMMAND = {"id": "c1", "by": "kim", "at_ms": 1}
SILENCE = COMMAND | {
    "kind": "silence",
    "matchers": [{"label": "platform", "value": "lever"}],
    "start_ms": 1,
    "end_ms": 2,
}
NOTIFICATION = Notification(
    id="n1",
    fingerprint="f1",
    breach_id="b1",
    rule="high_error_rate",
    series='*{platform="lever"}',
    severity="high",
    channel="slack_engineering",
    event="opened",
    reason="cooldown",
    sentence="told 3 minutes ago; again at 12:10.",
    now_ms=1,
    cause={"kind": "breach", "topic": "opwatch.breaches", "offset": 7},
)
LETTER = DeadLetter(
    reason="invalid_json",
    detail="not JSON: é",
    topic="opwatch.operations",
    partition=3,
    offset=42,
    index=7,
    timestamp_ms=1,
    size_bytes=9,
    sha256="0" * 64,
    truncated=True,
)


def calibration_records() -> list[Any]:
    """Return one of each of what the quality role sends itself."""
    sample = sample_of(
        Analysis.model_validate(ANALYSIS), SCORE.overall, 3, {"title": {"ada": TRUTH}}
    )
    sums = CalibrationSums()
    sums.note(0.9, 0.7, right=True)
    return [
        sample,
        AnalysisLabel("a-1", "title", "ada", TRUTH, is_of_input=False),
        InputLabel("sha256:1f", "title", "ada", TRUTH),
        PartitionSums(3, 7, ("detector", "analyze_job", "m-1"), "24h", 86_400_000, sums),
    ]


def messages() -> dict[str, list[Any]]:
    """Return real messages by topic, as they travel."""
    rows = {"source": 1, "block": 0, "rows": [["*", 29_543_346, 5, STATS]]}
    partials = [
        json.loads(Partials.model_validate_json(json.dumps(rows)).model_dump_json()),
        json.loads(Progress(sources=b"\x03", at_ms=5).model_dump_json()),
    ]
    beat = PassedBeat(source=1, offset=5, timestamp_ms=6, key=b"crawler", value=b"{}")
    read = HeartbeatsRead(sources=b"\x03", seen_ms=5)
    beats = [json.loads(record.model_dump_json()) for record in (beat, read)]
    scored = ScoredAnalysis(analysis=Analysis.model_validate(ANALYSIS), quality=SCORE)
    return {
        "operations": [OPERATION, [OPERATION, OPERATION | {"occurred_at": "2026-03-04T05:06:00Z"}]],
        "partials": partials,
        "quality-partials": partials,
        "beats": beats,
        "analyses": [ANALYSIS],
        "labels": [
            {"analysis": "a1", "truth": "likely_ghost", "at": "2026-03-14T05:06:00Z"},
            {"input_hash": "sha256:1f", "about": "city", "truth": "Ulm", "at": 1},
        ],
        "quality-scores": [json.loads(SCORE.model_dump_json())],
        "scored-analyses": [json.loads(scored.model_dump_json())],
        "remediations": [json.loads(REMEDIATION.model_dump_json())],
        "calibration": [json.loads(encode(record)) for record in calibration_records()],
        "aggregates": [
            json.loads(aggregate(size="1h", verdict="stable").model_dump_json()),
            service_aggregate(),
        ],
        "heartbeats": [{"service": "crawler", "sent_at": "2026-03-04T05:06:00Z", "every_s": 5}],
        "breaches": [json.loads(BREACH.model_dump_json())],
        "commands": [
            SILENCE,
            COMMAND | {"kind": "acknowledge", "fingerprint": "f1", "breach_id": "b1"},
        ],
        "notifications": [json.loads(NOTIFICATION.model_dump_json())],
        "dead-letters": [{name: value.decode() for name, value in to_headers(LETTER)}],
    }


def service_aggregate() -> Any:
    """Return what the measure role publishes of a service."""
    world = World()
    world.hears(beat(0, "degraded", message="slow"))
    return world.look(5)[0]
