"""Write the schemas down for other programs: JSON Schema a message, one AsyncAPI document."""

import json
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from schemas import spans
from schemas.aggregates import AggregateRecord
from schemas.analyses import Analysis
from schemas.beats import BeatsRecord
from schemas.breaches import Breach
from schemas.calibration_records import CalibrationMessage
from schemas.commands import CommandRecord
from schemas.dead_letters import KEPT_BYTES, DeadLetter
from schemas.heartbeats import Heartbeat
from schemas.labels import Label
from schemas.notifications import Notification
from schemas.operations import Operations
from schemas.partials import PartialsRecord
from schemas.quality_scores import QualityScore, ScoredAnalysis
from schemas.remediations import Remediation
from schemas.rule_file import RuleFile
from schemas.topics import (
    AGGREGATES,
    ANALYSES,
    BEATS,
    BREACHES,
    CALIBRATION,
    COMMANDS,
    DEAD_LETTERS,
    HEARTBEATS,
    LABELS,
    NOTIFICATIONS,
    OPERATIONS,
    PARTIALS,
    QUALITY_PARTIALS,
    QUALITY_SCORES,
    REMEDIATIONS,
    SCORED_ANALYSES,
    Topic,
)

VERSION = "1"
#: The prefix that stands in front of a topic's name unless the operator chose another.
PREFIX = "opwatch."
RULE_FILE = "schemas/rule-file.json"


class TopicMessage(NamedTuple):
    """What travels on a topic, who sends it, and which model says so."""

    topic: Topic
    name: str
    model: type[BaseModel]
    sent_by: Literal["services", "opwatch"]
    """Who sends: `services` (and people) what opwatch receives, `opwatch` what others may."""
    part: Literal["payload", "headers"] = "payload"

    @property
    def mode(self) -> JsonSchemaMode:
        """What is received may leave defaults out; what is sent never does."""
        return "validation" if self.sent_by == "services" else "serialization"

    @property
    def file(self) -> str:
        """The name of the JSON Schema's file."""
        return f"schemas/{self.topic.name}.json"


MESSAGES = (
    TopicMessage(OPERATIONS, "operations", Operations, "services"),
    TopicMessage(HEARTBEATS, "heartbeat", Heartbeat, "services"),
    TopicMessage(ANALYSES, "analysis", Analysis, "services"),
    TopicMessage(LABELS, "label", Label, "services"),
    TopicMessage(PARTIALS, "partials", PartialsRecord, "opwatch"),
    TopicMessage(BEATS, "beats", BeatsRecord, "opwatch"),
    TopicMessage(QUALITY_PARTIALS, "qualityPartials", PartialsRecord, "opwatch"),
    TopicMessage(CALIBRATION, "calibration", CalibrationMessage, "opwatch"),
    TopicMessage(AGGREGATES, "aggregate", AggregateRecord, "opwatch"),
    TopicMessage(QUALITY_SCORES, "qualityScore", QualityScore, "opwatch"),
    TopicMessage(SCORED_ANALYSES, "scoredAnalysis", ScoredAnalysis, "opwatch"),
    TopicMessage(REMEDIATIONS, "remediation", Remediation, "opwatch"),
    TopicMessage(BREACHES, "breach", Breach, "opwatch"),
    TopicMessage(COMMANDS, "command", CommandRecord, "services"),
    TopicMessage(NOTIFICATIONS, "notification", Notification, "opwatch"),
    TopicMessage(DEAD_LETTERS, "deadLetter", DeadLetter, "opwatch", "headers"),
)


def documents() -> dict[str, str]:
    """Return the text of each document by the path it has below docs/."""
    texts = {message.file: _json(json_schema(message)) for message in MESSAGES}
    texts[RULE_FILE] = _json(rule_file_schema())
    head = "# Made from schemas/ by `opwatch schema export`: do not edit.\n"
    body = yaml.dump(asyncapi(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return texts | {"asyncapi.yaml": head + body}


def json_schema(message: TopicMessage) -> dict[str, Any]:
    """Return the message's JSON Schema (2020-12)."""
    schema = message.model.model_json_schema(mode=message.mode, schema_generator=_Complete)
    if message.part == "headers":
        schema = _as_text(schema)
    return {"$schema": GenerateJsonSchema.schema_dialect} | schema


def rule_file_schema() -> dict[str, Any]:
    """Return the rule file's JSON Schema (2020-12), by which editors complete it."""
    schema = RuleFile.model_json_schema(mode="validation")
    _write_spans_out(schema)
    return {"$schema": GenerateJsonSchema.schema_dialect} | schema


def _write_spans_out(node: Any) -> None:
    """Write defaults that are milliseconds as the file does: an editor inserts them."""
    if isinstance(node, dict):
        if node.get("pattern") == spans.PATTERN and isinstance(node.get("default"), int):
            node["default"] = spans.as_text(node["default"])
        node = list(node.values())
    for item in node if isinstance(node, list) else []:
        _write_spans_out(item)


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: channels, messages with keys, and who sends them."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "opwatch",
            "version": VERSION,
            "description": (
                "Exact, live success rates and percentiles of operations, from events on Kafka."
                " Messages are JSON. Unknown fields are to be ignored: they may come without a"
                " new version. Topics begin with a prefix that the operator chooses; here it is"
                f" the default, {PREFIX}"
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {message.topic.name: _channel(message) for message in MESSAGES},
        "operations": {_operation_id(message): _operation(message) for message in MESSAGES},
        "components": {"messages": {message.name: _message(message) for message in MESSAGES}},
    }


def _channel(message: TopicMessage) -> dict[str, Any]:
    topic = message.topic
    configuration: dict[str, Any] = {
        "cleanup.policy": topic.config["cleanup.policy"].split(","),
        "retention.ms": int(topic.config["retention.ms"]),
    }
    partitions = {"partitions": 1} if topic.partitions == "one" else {}
    return {
        "address": PREFIX + topic.name,
        "description": topic.about,
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"}},
        "bindings": {
            "kafka": {
                "topic": PREFIX + topic.name,
                **partitions,
                "topicConfiguration": configuration,
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation_id(message: TopicMessage) -> str:
    verb = "receive" if message.sent_by == "services" else "send"
    return verb + message.name[0].upper() + message.name[1:]


def _operation(message: TopicMessage) -> dict[str, Any]:
    name = message.topic.name
    return {
        "action": "receive" if message.sent_by == "services" else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": message.topic.about,
        "messages": [{"$ref": f"#/channels/{name}/messages/{message.name}"}],
    }


def _message(message: TopicMessage) -> dict[str, Any]:
    key = {"type": "string", "description": f"The key: {message.topic.key}."}
    described: dict[str, Any] = {
        "name": message.name,
        "title": message.model.__name__,
        "summary": (message.model.__doc__ or "").split("\n")[0],
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }
    pointer = f"#/components/messages/{message.name}/{message.part}"
    schema = _inlined(message, f"{pointer}/definitions")
    if message.part == "payload":
        return described | {"contentType": "application/json", "payload": schema}
    return described | {
        "contentType": "application/octet-stream",
        "headers": schema,
        "payload": {
            "type": "string",
            "format": "binary",
            "description": f"The refused bytes: the first {KEPT_BYTES}, if there are more.",
        },
    }


def _inlined(message: TopicMessage, definitions: str) -> dict[str, Any]:
    """Return the schema in the form AsyncAPI's own dialect (draft 7) takes."""
    schema = message.model.model_json_schema(
        mode=message.mode,
        schema_generator=_Complete,
        ref_template=definitions + "/{model}",
    )
    if message.part == "headers":
        schema = _as_text(schema)
    if "$defs" in schema:
        schema["definitions"] = schema.pop("$defs")
    plain: dict[str, Any] = _draft7(schema)
    return plain


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class _Complete(GenerateJsonSchema):
    """Says of what is sent that every field is there: defaults are written out too."""

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001, RUF100 - pydantic's
        return self.mode == "serialization" or super().field_is_required(field, total)


class _Plain(yaml.SafeDumper):
    """Writes every value out where it stands, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as yaml calls it
        return True


def _draft7(node: Any) -> Any:
    """Return a schema of 2020-12 as AsyncAPI's own dialect has it."""
    if isinstance(node, list):
        return [_draft7(element) for element in node]
    if not isinstance(node, dict):
        return node
    node = {name: _draft7(value) for name, value in node.items()}
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
    if "discriminator" in node:  # there a property's name; the branches say it themselves
        del node["discriminator"]
    return node


def _as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a flat model's schema as headers have it: every value is a text, null is left out."""
    properties = {}
    for name, about in schema["properties"].items():
        branches = about.get("anyOf", [about])
        kinds = {branch.get("type") for branch in branches}
        text: dict[str, Any] = {"type": "string"}
        if "boolean" in kinds:
            text["enum"] = ["true", "false"]
        elif "integer" in kinds:
            text["pattern"] = f"^{about['const']}$" if "const" in about else "^-?[0-9]+$"
        elif "enum" in about:
            text["enum"] = about["enum"]
        properties[name] = text
    optional = {name for name, about in schema["properties"].items() if "anyOf" in about}
    required = [name for name in schema.get("required", []) if name not in optional]
    return schema | {"properties": properties, "required": required}
