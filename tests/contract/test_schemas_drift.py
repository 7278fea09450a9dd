"""Hold the generated documents to the schemas, and the AsyncAPI document to AsyncAPI's own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel

from schemas.aggregates import Aggregate, AggregateRecord, ServiceAggregate
from schemas.analyses import Analysis
from schemas.beats import HeartbeatsRead, PassedBeat
from schemas.breaches import Breach
from schemas.dead_letters import DeadLetter, from_headers, to_headers
from schemas.export import MESSAGES, PREFIX, RULE_FILE, asyncapi, documents, json_schema
from schemas.notifications import Notification
from schemas.operations import to_epoch_ms
from schemas.partials import Partials, PartialsRecord, Progress
from schemas.quality_scores import QualityScore, ScoredAnalysis
from schemas.received import Received
from schemas.remediations import Remediation
from schemas.topics import TOPICS
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

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTS = documents()
#: From the npm package @asyncapi/specs; its $comment says which.
ASYNCAPI_SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json")

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


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_committed_is_what_the_schemas_say(name: str):
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == DOCUMENTS[name], "run `opwatch schema export`"


def test_no_document_is_left_over():
    assert {f"schemas/{path.name}" for path in (DOCS / "schemas").iterdir()} == {
        *(message.file for message in MESSAGES),
        RULE_FILE,
    }


def test_every_topic_is_described():
    assert [message.topic for message in MESSAGES] == list(TOPICS)
    addresses = {channel["address"] for channel in asyncapi()["channels"].values()}
    assert addresses == {PREFIX + topic.name for topic in TOPICS}


def test_the_asyncapi_document_is_valid_asyncapi():
    schema = json.loads(ASYNCAPI_SCHEMA.read_text(encoding="utf-8"))
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    mistakes = [
        f"{error.json_path}: {error.message[:200]}"
        for error in Draft7Validator(schema).iter_errors(document)
    ]
    assert mistakes == []
    broken = document | {"operations": {"x": {"action": "shout"}}}
    assert not Draft7Validator(schema).is_valid(broken)  # it does look


def test_every_reference_in_the_asyncapi_document_leads_somewhere():
    document = asyncapi()
    references = list(_references(document))
    assert len(references) > 10
    for reference in references:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]
        assert isinstance(node, dict)


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


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


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic.name)
def test_real_messages_fit_their_json_schema(message: Any):
    schema = json_schema(message)
    Draft202012Validator.check_schema(schema)
    for body in messages()[message.topic.name]:
        Draft202012Validator(schema).validate(body)
        assert not Draft202012Validator(schema).is_valid({"nothing": 1})


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic.name)
def test_real_messages_fit_the_asyncapi_document(message: Any):
    document = asyncapi()
    reference = f"#/components/messages/{message.name}/{message.part}"
    validator = Draft7Validator(document | {"$ref": reference})
    for body in messages()[message.topic.name]:
        validator.validate(body)
    assert not validator.is_valid({"nothing": 1})


@pytest.mark.parametrize("name", ["config/opwatch.yaml", "examples/job_parser/rules.yaml"])
def test_an_editor_finds_the_shipped_rule_files_right_and_others_wrong(name: str):
    schema = json.loads((DOCS / "schemas" / "rule-file.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    path = DOCS.parent / name
    text = path.read_text(encoding="utf-8")
    validator.validate(yaml.safe_load(text))
    for wrong in ("metric: error_rat", "metric: error_rate\n    treshold: 5"):
        assert not validator.is_valid(yaml.safe_load(text.replace("metric: error_rate", wrong)))
    assert not validator.is_valid(yaml.safe_load(re.sub("window: .*", "window: 5", text)))
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", text, re.MULTILINE)
    assert (path.parent / named).resolve() == (DOCS / "schemas" / "rule-file.json").resolve()


def test_what_we_send_always_has_every_field():
    schema = json_schema(next(one for one in MESSAGES if one.model is AggregateRecord))
    for model in (Aggregate, ServiceAggregate):
        assert set(schema["$defs"][model.__name__]["required"]) == set(model.model_fields)


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for info in kind.model_fields.values():
            yield from models_in(info.annotation)
    for inner in get_args(kind):
        yield from models_in(inner)


def test_only_what_services_send_may_have_times_in_seconds():
    """A record of ours would be multiplied again each time that it is read."""
    lenient = {
        model
        for message in MESSAGES
        for model in models_in(message.model)
        for info in model.model_fields.values()
        if any(getattr(it, "func", None) is to_epoch_ms for it in info.metadata)
    }
    assert Analysis in lenient
    assert [model for model in lenient if not issubclass(model, Received)] == []


def test_a_score_read_again_has_the_same_time():
    score = SCORE.model_copy(update={"occurred_at": 1000})
    assert QualityScore.model_validate_json(score.model_dump_json()) == score


def test_partials_are_told_apart_by_their_kind():
    record = PartialsRecord.model_validate_json('{"kind":"progress","sources":"AQ==","at_ms":5}')
    assert isinstance(record.root, Progress)


def test_a_dead_letter_comes_back_from_its_headers():
    assert from_headers(to_headers(LETTER)) == LETTER
    plain = LETTER.model_copy(update={"index": None, "truncated": False})
    assert "index" not in dict(to_headers(plain))
    assert from_headers([*to_headers(plain), ("theirs", b"\xff"), ("index", None)]) == plain
    assert all(isinstance(value, bytes) for _, value in to_headers(LETTER))
    assert (LETTER.key, plain.key) == ("opwatch.operations/3/42/7", "opwatch.operations/3/42/-")


@pytest.mark.parametrize(
    "headers",
    [[], [("reason", b"invalid_json")], [*to_headers(LETTER), ("offset", b"x")]],
    ids=["none", "some", "no number"],
)
def test_headers_that_are_no_dead_letters_are_refused(headers: list[tuple[str, bytes]]):
    with pytest.raises(ValueError):  # noqa: PT011 - which of pydantic's or int's does not matter
        from_headers(headers)
