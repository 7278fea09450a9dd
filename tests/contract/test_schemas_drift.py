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
from schemas.dead_letters import from_headers, to_headers
from schemas.export import MESSAGES, PREFIX, RULE_FILE, asyncapi, documents, json_schema
from schemas.operations import to_epoch_ms
from schemas.partials import PartialsRecord, Progress
from schemas.quality_scores import QualityScore
from schemas.received import Received
from schemas.topics import TOPICS
from tests.contract.message_samples import LETTER, SCORE, messages

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENTS = documents()
#: From the npm package @asyncapi/specs; its $comment says which.
ASYNCAPI_SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json")


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
