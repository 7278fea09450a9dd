"""Describe the API as an OpenAPI document."""

from functools import cache
from typing import Any

from agents.dashboard.access import API
from agents.dashboard.page import DEFAULT_SPAN, MOST_TEXT
from schemas.rules import SEVERITIES
from streams.dashboard.spans import SPANS
from streams.dashboard.targets import FIGURES, WORDS
from streams.dashboard.tiles import BUDGET
from streams.measure.confidence_levels import LEVELS


def _nullable(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": [kind, "null"], **more}


def _fields(required: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": sorted(required), "properties": required}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


_TIME = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_RATIO = _nullable("number", minimum=0, maximum=1)
_MS = _nullable("number", minimum=0, description="Milliseconds.")
_COUNTS = {"type": "object", "additionalProperties": _COUNT}
_SPAN = {"span": {"type": "string", "enum": SPANS}, "from": _TIME, "to": _TIME}
_SUM = {
    "attempts": _COUNT,
    "successes": _COUNT,
    "failures": _COUNT,
    "success_rate": _RATIO,
    "mean_ms": _MS,
    "p50_ms": _MS,
    "p95_ms": _MS,
    "p99_ms": _MS,
    "max_ms": _MS,
    "failures_by_type": _COUNTS,
    "cache": _fields({"lookups": _COUNT, "hits": _COUNT, "hit_rate": _RATIO}),
    "final": {"type": "boolean", "description": "Whether no window in it may still change."},
}
_EXEMPLAR = {
    "id": _TEXT,
    "success": {"type": "boolean"},
    "duration_ms": {"type": "number"},
    "error_type": _nullable("string"),
}
_REMEDY = _fields(
    dict.fromkeys(("asked", "repeated", "better"), _COUNT)
    | {"action": _TEXT, "mean_before": _RATIO, "mean_after": _RATIO}
)
_SCHEMAS: dict[str, Any] = {
    "Sum": _fields(_SUM),
    "Figure": _fields(
        {
            "figure": {"type": "string", "enum": [*FIGURES, BUDGET]},
            "value": _nullable("number", description="In per cent, milliseconds, or a score."),
            "shown": _TEXT,
            "state": {"type": "string", "enum": [*WORDS]},
            "target": _nullable("string"),
            "samples": _COUNT,
            "change": {"type": "string", "enum": ["better", "worse", "same", "unknown"]},
        }
    ),
    "Exemplar": _fields(_EXEMPLAR),
    "Quality": _fields(
        {
            "series": _TEXT,
            "analyses": _COUNT,
            "mean": _RATIO,
            "p5": _RATIO,
            "good": _COUNT,
            "acceptable": _COUNT,
            "findings": _COUNTS,
        }
    ),
    "Service": _fields(
        {
            "service": _TEXT,
            "status": {"type": "string", "enum": ["up", "degraded", "down", "silent", "unknown"]},
            "since": _TIME,
            "message": _nullable("string"),
            "uptime": _RATIO,
            "up_ms": _COUNT,
            "degraded_ms": _COUNT,
            "down_ms": _COUNT,
            "unknown_ms": _COUNT,
        }
    ),
    "Alert": _fields(
        {
            "fingerprint": _TEXT,
            "breach_id": _TEXT,
            "state": {
                "type": "string",
                "enum": ["firing", "acknowledged", "silenced", "resolved"],
            },
            "severity": {"type": "string", "enum": SEVERITIES},
            "rule": _TEXT,
            "series": _TEXT,
            "labels": {"type": "object", "additionalProperties": _TEXT},
            "opened": _TIME,
            "resolved": _nullable("string", format="date-time"),
            "judged": {"type": "boolean"},
            "summary": _TEXT,
            "by": _nullable("string"),
            "comment": _nullable("string"),
            "silenced_until": _nullable("string", format="date-time"),
            "channels": _list({"type": "object"}),
        }
    ),
    "Error": _fields({"error": _TEXT}),
}
_SPAN_PARAMETER = {
    "name": "span",
    "in": "query",
    "description": "How far back from now.",
    "schema": {"type": "string", "enum": SPANS, "default": DEFAULT_SPAN},
}


def _text_parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": "string", "maxLength": MOST_TEXT},
    }


_OPERATION = _text_parameter("operation", "The operation; `*`, the default, is all of them.")
_SERIES = [
    _OPERATION,
    _text_parameter("platform", "Only of this platform."),
    {
        "name": "confidence",
        "in": "query",
        "description": "Only of this level of confidence; not together with a platform.",
        "schema": {"type": "string", "enum": LEVELS},
    },
]
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


def _answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _get(summary: str, schema: Any, *parameters: Any) -> dict[str, Any]:
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": _answer("As it is now.", schema),
                "400": _answer("What was asked for cannot be.", _ref("Error")),
                "401": _answer("A token is needed, or is wrong.", _ref("Error")),
                "404": _answer("There is none.", _ref("Error")),
                "429": _answer("Too many requests.", _ref("Error")),
                "503": _answer("What was published is still being read.", _ref("Error")),
            },
        }
    }


def _post(summary: str, *names: str) -> dict[str, Any]:
    body = {"type": "object", "required": ["by"], "properties": dict.fromkeys(names, _TEXT)}
    decided = _fields({"done": {"type": "boolean"}, "sentence": _TEXT})
    return {
        "post": {
            "summary": summary,
            "security": [{"token": []}],
            "parameters": [_ID],
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {
                "200": _answer("It is done.", decided),
                "202": _answer("It is on record; no alert worker has decided yet.", decided),
                "400": _answer("What was sent cannot be read.", _ref("Error")),
                "401": _answer("The token is wrong.", _ref("Error")),
                "403": _answer("Only OPWATCH_DASHBOARD_TOKEN may act.", _ref("Error")),
                "404": _answer("There is none.", _ref("Error")),
                "408": _answer("What was sent did not arrive in time.", _ref("Error")),
                "409": _answer("It was refused.", decided),
                "413": _answer("What was sent is too large.", _ref("Error")),
                "415": _answer("It is neither JSON nor a form.", _ref("Error")),
                "429": _answer("Too many requests.", _ref("Error")),
            },
        }
    }


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    health = _SPAN | {"series": _TEXT} | _SUM
    health |= {
        "recent_failures": _list({"type": "object"}),
        "quality": {"type": "object", "additionalProperties": _ref("Quality")},
        "services": _list(_ref("Service")),
        "freshness": {"type": "object"},
    }
    shown = _SPAN | {
        "since": _TIME,
        "operation": _TEXT,
        "figures": _list(_ref("Figure")),
        "claim": _nullable("object"),
        "total": _ref("Sum"),
        "platforms": _list({"type": "object"}),
        "platforms_in_all": _COUNT,
        "open_alerts": _list(_ref("Alert")),
    }
    series = _SPAN | {
        "series": _TEXT,
        "total": _ref("Sum"),
        "before": _ref("Sum"),
        "windows": _list({"type": "object"}),
        "marks": _list({"type": "object"}),
    }
    alerts = {
        "open": _list(_ref("Alert")),
        "resolved": _list(_ref("Alert")),
        "left_out": _COUNT,
        "silences": _list({"type": "object"}),
    }
    names = {kind: _list(_TEXT) for kind in ("operations", "quality", "services")}
    pipeline = {
        "freshness": {"type": "object"},
        "roles": _list({"type": "object"}),
        "roles_unknown": _nullable("string"),
        "dead_letters": _COUNTS,
        "newest_dead_letters": _list({"type": "object"}),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "opwatch",
            "version": "1",
            "description": "What is measured now. Ratios are from 0 to 1, durations in"
            " milliseconds, times in UTC. Pages of the origins in OPWATCH_DASHBOARD_ORIGINS may"
            " read it.",
        },
        "security": [{}, {"token": []}],
        "paths": {
            f"{API}/health": _get(
                "What a health page needs of a span", _fields(health), _SPAN_PARAMETER, *_SERIES
            ),
            f"{API}/overview": _get(
                "Figures with their targets, platforms, open alerts",
                _fields(shown),
                _SPAN_PARAMETER,
                _OPERATION,
            ),
            f"{API}/series": _get(
                "A series, window by window", _fields(series), _SPAN_PARAMETER, *_SERIES
            ),
            f"{API}/series/names": _get("The names of all series", _fields(names)),
            f"{API}/alerts": _get(
                "Alerts and silences",
                _fields(alerts),
                _text_parameter("q", "Words that have to be in what is known of an alert."),
                {
                    "name": "severity",
                    "in": "query",
                    "description": "The least.",
                    "schema": {"type": "string", "enum": SEVERITIES},
                },
            ),
            f"{API}/alerts/{{id}}": _get("An alert's whole story", _ref("Alert"), _ID),
            f"{API}/alerts/{{id}}/acknowledge": _post(
                "Acknowledge the episode that fires", "by", "comment"
            ),
            f"{API}/alerts/{{id}}/silence": _post("Silence an alert", "by", "comment", "for"),
            f"{API}/silences/{{id}}/end": _post("End a silence before its time", "by"),
            f"{API}/quality": _get(
                "Scores of analyses",
                _fields(_SPAN | {"series": _list(_ref("Quality")), "remediations": _list(_REMEDY)}),
                _SPAN_PARAMETER,
            ),
            f"{API}/services": _get(
                "Services and their uptime",
                _fields(_SPAN | {"services": _list(_ref("Service"))}),
                _SPAN_PARAMETER,
            ),
            f"{API}/pipeline": _get("How fresh figures are; lag; dead letters", _fields(pipeline)),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
