"""Topics full of what a terminal would obey."""

import json
import time
from types import SimpleNamespace
from typing import Any

from schemas.dead_letters import DeadLetter, to_headers
from tests.unit.messages.samples import breach

#: C0, an OSC that sets the title, C1, DEL, bidi, line separators, zero width, fillers, markup.
CHARACTERS = (
    "\x00\x07\x08\x0b\x1b[31m\x1b]0;owned\x07\x7f\x80\x85\x9b31m\x9d0;owned\x9c\xad\u061c\u200b\u200d"
    "\u200e\u202e\u2028\u2029\u2060\u2066\u2069\ufeff\ufff9\ufe0f\u3164\U000e0041\U000e0100"
)
HOSTILE = f"x{CHARACTERS}[red]y[/red] :smile:\r\nz"
#: What a name of an operation may have of it.
NAME = "n\x80\x9b31m\u202e\u2028\u200b[red]y"
NOW_MS = int(time.time() * 1000)
FINGERPRINT = "3f9c0000"
KEY = f"opwatch.operations/0/17/{HOSTILE}"


def record(value: Any, *, key: str = "k", headers: Any = (), offset: int = 0) -> Any:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return SimpleNamespace(
        value=raw,
        key=key.encode(),
        headers=list(headers),
        offset=offset,
        timestamp=NOW_MS,
        partition=0,
    )


def hostile_breach(**changed: Any) -> dict[str, Any]:
    return breach(
        fingerprint=FINGERPRINT,
        id=f"e1{HOSTILE}",
        rule=HOSTILE,
        series=HOSTILE,
        labels={HOSTILE: HOSTILE, "platform": HOSTILE},
        metric=HOSTILE,
        unit=HOSTILE,
        summary=HOSTILE,
        evidence={HOSTILE: HOSTILE},
        exemplars=[{"id": HOSTILE, "success": False, "duration_ms": 1.0, "error_type": HOSTILE}],
        runbook=f"https://x/{HOSTILE}",
        dashboard=HOSTILE,
        opened_ms=NOW_MS - 60_000,
        routing={
            "channels": ["hook", HOSTILE],
            "cooldown_ms": 600_000,
            "escalation": [{"after_ms": 60_000, "channels": [HOSTILE]}],
        },
        rules_hash=HOSTILE,
        **changed,
    ).model_dump(mode="json")


def decision(reason: str, **changed: Any) -> dict[str, Any]:
    return {
        "id": f"d{HOSTILE}",
        "fingerprint": FINGERPRINT,
        "breach_id": f"e1{HOSTILE}",
        "rule": HOSTILE,
        "series": HOSTILE,
        "severity": "high",
        "channel": "hook",
        "event": "opened",
        "reason": reason,
        "sentence": f"It is {HOSTILE}.",
        "delivery": HOSTILE,
        "answer": HOSTILE,
        "now_ms": NOW_MS,
        "cause": {"kind": "breach", "topic": HOSTILE, "offset": 0},
    } | changed


def command(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "by": HOSTILE[:200], "at_ms": NOW_MS, "comment": HOSTILE} | fields


ANSWERED = {"cause": {"kind": "command", "topic": "commands", "offset": 99}, "delivery": "t"}


def letter(reason: str, offset: int, value: bytes, **changed: Any) -> Any:
    fields = {
        "reason": reason,
        "detail": HOSTILE,
        "topic": f"opwatch.operations{HOSTILE}"
        if reason == "invalid_json"
        else "opwatch.operations",
        "partition": 0,
        "offset": offset,
        "timestamp_ms": 2**62,
        "size_bytes": len(value),
        "sha256": HOSTILE,
    } | changed
    about = DeadLetter.model_validate(fields)
    return record(value, key=KEY if offset == 17 else about.key, headers=to_headers(about))


def aggregate(operation: str, platform: str | None, start_ms: int) -> dict[str, Any]:
    from agents.rule_tests.aggregates import aggregates
    from agents.rule_tests.cases import OperationsMinutes

    (one,) = aggregates(
        OperationsMinutes(series="parse", count="30", failures="10", duration_ms="5"), start_ms
    )
    series = {"operation": operation, "platform": platform, "confidence": None}
    exemplar = {"id": NAME, "success": False, "duration_ms": 1.0, "error_type": NAME}
    return one.body | {"series": series, "exemplars": [exemplar]}


def quality_score(analysis: str, **changed: Any) -> dict[str, Any]:
    finding = {
        "code": HOSTILE,
        "dimension": HOSTILE,
        "message": HOSTILE,
        "cost": 0.5,
        "field": HOSTILE,
    }
    judged = {
        "score": 0.4,
        "weight": 1.0,
        "findings": [finding],
        "assessor": HOSTILE,
        "took_ms": 1.5,
    }
    return {
        "analysis": analysis,
        "service": NAME,
        "operation": NAME,
        "platform": NAME,
        "model": NAME,
        "occurred_at": NOW_MS,
        "overall": 0.4,
        "dimensions": {HOSTILE: judged},
        "left_out": [{"dimension": HOSTILE, "why": "failed", "detail": HOSTILE}],
        "actions": ["human_review"],
        "configuration": HOSTILE,
        "took_ms": 2.0,
        "source": [0, 1],
        "remediates": None,
    } | changed


def calibration() -> dict[str, Any]:
    bins = [{"low": 0.8, "high": 0.9, "count": 40, "mean_estimate": 0.85, "accuracy": 0.75}]
    reliability = {
        "count": 40,
        "bins": bins,
        "expected_calibration_error": 0.1,
        "brier_score": 0.2,
    }
    return {
        "kind": "calibration",
        "series": {"service": NAME, "operation": NAME, "model": NAME},
        "window": {"size": "7d", "start_ms": 0, "end_ms": 7 * 86_400_000},
        "revision": 1,
        "final": False,
        "count": 40,
        "right": 30,
        "accuracy": 0.75,
        "confidence": reliability,
        "overall": reliability,
    }


MINUTE_MS = NOW_MS - NOW_MS % 60_000 - 60_000
TOPICS: dict[str, list[Any]] = {
    "breaches": [record(hostile_breach(), key=FINGERPRINT)],
    "commands": [
        record(
            command(
                "silence",
                id="5d1c0000",
                matchers=[{"label": HOSTILE, "operator": "=", "value": HOSTILE}],
                start_ms=NOW_MS - 1000,
                end_ms=NOW_MS + 3_600_000,
            )
        ),
        record(
            command("acknowledge", id="a1", fingerprint=FINGERPRINT, breach_id=f"e1{HOSTILE}"),
            offset=1,
        ),
    ],
    "notifications": [
        *(
            record(decision(reason, id=f"d{at}"), key=FINGERPRINT, offset=at)
            for at, reason in enumerate(
                [
                    "due",
                    "attempted",
                    "retry",
                    "sent",
                    "cooldown",
                    "silenced",
                    "gave_up",
                    "no_channel",
                ]
            )
        ),
        record(decision("silenced", id="d20", channel=None), key=FINGERPRINT, offset=8),
        record(
            decision("command_done", id="d21", cause={"kind": "command", "offset": 0}),
            key=FINGERPRINT,
            offset=9,
        ),
    ],
    "dead-letters": [
        letter("invalid_json", 16, HOSTILE.encode() + b"\xff\xc2\x9b"),
        letter("invalid_operation", 17, b'{"a":"\\ud800\\u009b","\xe2\x80\xae":["[red]"]}'),
        letter("undelivered", 18, b'{"a":"\\ud800"}', delivery=HOSTILE),
        record(b"", key=KEY, headers=[("redriven-at", b"\x9b"), ("\x9b", b"\x9b")]),
    ],
    "quality-scores": [
        record(quality_score("h1"), key="h1"),
        record(quality_score(HOSTILE[:120], remediates="h1"), key="h2", offset=1),
        record(quality_score("h3", overall=None), key="h3", offset=2),
        record(b'{"\x9b', key="h1", offset=3),
    ],
    "aggregates": [
        record(aggregate(NAME, None, MINUTE_MS)),
        record(aggregate("parse", NAME, MINUTE_MS), offset=1),
        record(b'{"\x9b', offset=2),
        record(calibration(), key="calibration{", offset=3),
    ],
}
#: What the alert worker says to a command, after it was asked.
ANSWERS = [
    record(decision("command_done", id="d98", **ANSWERED), offset=98),
    record(decision("sent", id="d99", event="test", delivery="t"), offset=99),
]
