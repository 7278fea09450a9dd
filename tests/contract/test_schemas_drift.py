"""Hold the generated documents to the schemas, and the AsyncAPI document to AsyncAPI's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from schemas.aggregates import Aggregate
from schemas.dead_letters import DeadLetter, from_headers, to_headers
from schemas.export import MESSAGES, PREFIX, asyncapi, documents, json_schema
from schemas.partials import Partials, PartialsRecord, Progress
from schemas.topics import TOPICS
from tests.unit.cli.samples import aggregate

DOCS = Path(__file__).parents[2] / "docs"
#: From the npm package @asyncapi/specs; its $comment says which.
ASYNCAPI_SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json")

OPERATION = {
    "id": "a",
    "operation": "parse_job_data",
    "occurred_at": 1_772_600_760_000,
    "success": True,
    "duration_ms": 12.5,
}
STATS = [1, 1, 12_500, 156.25, 12.5, 12.5, 0, 0, 0, 0, 0, 0, 0, "AAAA", [[True, 12.5, "a", None]]]
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


@pytest.mark.parametrize("name", documents())
def test_what_is_committed_is_what_the_schemas_say(name: str):
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == documents()[name], "run `opwatch schema export`"


def test_no_document_is_left_over():
    assert {f"schemas/{path.name}" for path in (DOCS / "schemas").iterdir()} == {
        message.file for message in MESSAGES
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
    return {
        "operations": [OPERATION, [OPERATION, OPERATION | {"occurred_at": "2026-03-04T05:06:00Z"}]],
        "partials": [
            json.loads(Partials.model_validate_json(json.dumps(rows)).model_dump_json()),
            json.loads(Progress(source=1, next_offset=5).model_dump_json()),
        ],
        "aggregates": [json.loads(aggregate(size="1h", verdict="stable").model_dump_json())],
        "dead-letters": [{name: value.decode() for name, value in to_headers(LETTER)}],
    }


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


def test_what_we_send_always_has_every_field():
    schema = json_schema(next(message for message in MESSAGES if message.model is Aggregate))
    assert set(schema["required"]) == set(Aggregate.model_fields)


def test_partials_are_told_apart_by_their_kind():
    record = PartialsRecord.model_validate_json('{"kind":"progress","source":1,"next_offset":5}')
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
