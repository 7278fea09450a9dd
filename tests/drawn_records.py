"""Draw records of every topic that history is kept of: revisions, some of them older ones."""

import json
import random
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.history_records import START_MS, breach, window

SIZES = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}
_STATUSES = ("up", "degraded", "down", "unknown")


class Drawn(NamedTuple):
    """A record to publish; those of one key go to one partition."""

    topic: str
    key: bytes
    value: bytes


class Records:
    """Draws records; counts what it drew."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._revisions: dict[Any, int] = {}
        self._serial = 0

    def next(self) -> Drawn:
        """Return the next record: each second one is a window of operations."""
        self._serial += 1
        chosen: Callable[[], Drawn] = self._draw.choices(
            (
                self._window,
                self._quality_window,
                self._service,
                self._calibration,
                self._score,
                self._label,
                self._acknowledgement,
                self._breach,
                self._decision,
            ),
            (9, 2, 2, 1, 1, 1, 1, 1, 1),
        )[0]
        return chosen()

    def _revision(self, key: Any) -> int:
        """Return a new revision, or now and then an old one: a former owner writes late."""
        draw = self._draw
        revision = self._revisions[key] = self._revisions.get(key, 0) + draw.randrange(1, 20)
        return draw.randrange(1, revision + 1) if draw.random() < 0.2 else revision

    def _span(self) -> dict[str, Any]:
        size = self._draw.choice(list(SIZES))
        start_ms = START_MS + SIZES[size] * self._draw.randrange(3)
        return {"size": size, "start_ms": start_ms, "end_ms": start_ms + SIZES[size]}

    def _revised(self, kind: str, series: dict[str, Any], **fields: Any) -> Drawn:
        """Return a revision of a window that is no window of operations."""
        span = self._span()
        key = f"{kind}/{'/'.join(map(str, series.values()))}/{span['size']}/{span['start_ms']}"
        value = {
            "version": 1,
            "kind": kind,
            "series": series,
            "window": span,
            "revision": self._revision(key),
            "final": self._draw.random() < 0.7,
        }
        return Drawn("aggregates", key.encode(), json.dumps(value | fields).encode())

    def _window(self) -> Drawn:
        draw, span = self._draw, self._span()
        operation = f"op{draw.randrange(12)}"
        series = operation if draw.random() < 0.5 else f'{operation}{{platform="lever"}}'
        count = self._revision((series, span["size"], span["start_ms"]))
        durations = [round(draw.lognormvariate(3, 1), 3) for _ in range(count)]
        failures = draw.randrange(count + 1)
        size, start_ms, final = span["size"], span["start_ms"], draw.random() < 0.7
        return Drawn(
            "aggregates", *window(series, size, start_ms, durations, failures, final=final)
        )

    def _quality_window(self) -> Drawn:
        draw = self._draw
        count = draw.randrange(1, 50)
        good = draw.randrange(count + 1)
        series = {
            "dimension": draw.choice(["overall", "accuracy"]),
            "operation": draw.choice(["*", "op1"]),
            "platform": None,
            "model": None,
        }
        series |= draw.choice([{}, {"platform": "lever"}, {"model": "m1"}])
        return self._revised(
            "quality",
            series,
            missing=draw.randrange(3),
            count=count,
            mean=draw.random(),
            min=draw.random(),
            max=draw.random(),
            std_dev=draw.random(),
            p5=draw.random(),
            p50=draw.random(),
            good=good,
            acceptable=draw.randrange(good, count + 1),
            below_good=draw.random(),
            below_acceptable=draw.random(),
            trend=draw.choice([None, {"verdict": "stable", "evidence": {"before": 0.5}}]),
            exemplars=[{"id": f"a{self._serial}", "score": 0.5, "finding": "invented_quote"}],
            findings={"most_frequent": [{"name": "x", "count": 1}], "other": 0, "unnamed": 1},
            actions=[{"name": "reanalyse", "count": 1}],
            configurations=[f"c{draw.randrange(3)}"],
            digest={"n": count, "centroids": self._centroids(count)},
        )

    def _centroids(self, count: int) -> list[dict[str, float]]:
        lost = sorted({round(1000 * self._draw.random(), 2) for _ in range(count)})
        return [{"m": mean, "c": self._draw.choice([1, 1, 70_000])} for mean in lost]

    def _service(self) -> Drawn:
        draw = self._draw
        times = {f"{status}_ms": draw.randrange(100_000) for status in _STATUSES}
        judged_ms = sum(times.values()) - times["unknown_ms"]
        up_ms = times["up_ms"] + times["degraded_ms"]
        return self._revised(
            "service",
            {"service": f"service{draw.randrange(4)}"},
            status=draw.choice(_STATUSES),
            since_ms=START_MS - draw.randrange(10**9),
            silent=draw.random() < 0.5,
            last_beat_ms=draw.choice([None, START_MS + self._serial]),
            every_s=10.0,
            message=draw.choice([None, "draining"]),
            uptime=up_ms / judged_ms if judged_ms else None,
            forgotten=draw.random() < 0.1,
            **times,
        )

    def _calibration(self) -> Drawn:
        count = self._draw.randrange(1, 50)
        right = self._draw.randrange(count + 1)
        reliability = {
            "count": count,
            "bins": [],
            "expected_calibration_error": self._draw.random(),
            "brier_score": None,
        }
        return self._revised(
            "calibration",
            {"service": "parser", "operation": "op1", "model": f"m{self._draw.randrange(2)}"},
            count=count,
            right=right,
            accuracy=right / count,
            confidence=reliability,
            overall=reliability | {"brier_score": self._draw.random()},
        )

    def _score(self) -> Drawn:
        """Return the score of an analysis: of two the later record stands."""
        draw, analysis = self._draw, f"analysis-{self._draw.randrange(1 + self._serial // 20)}"
        finding = {"code": "x", "dimension": "accuracy", "message": "é", "cost": 0.5}
        accuracy = {
            "score": draw.random(),
            "weight": 1.0,
            "findings": [finding | {"field": None}],
            "assessor": "accuracy/1",
            "took_ms": 1.5,
        }
        value = {
            "version": 1,
            "analysis": analysis,
            "service": "parser",
            "operation": "op1",
            "platform": "lever",
            "model": "m1",
            "occurred_at": START_MS + self._serial,
            "overall": draw.choice([None, draw.random()]),
            "dimensions": {"accuracy": accuracy},
            "left_out": [{"dimension": "performance", "why": "too_slow", "detail": "500 ms"}],
            "actions": ["reanalyse"],
            "configuration": "c1",
            "took_ms": float(self._serial),
            "source": [0, self._serial],
            "remediates": draw.choice([None, "analysis-0"]),
        }
        return Drawn("quality-scores", analysis.encode(), json.dumps(value).encode())

    def _label(self) -> Drawn:
        draw, about = self._draw, {"analysis": f"analysis-{self._draw.randrange(10)}"}
        about = draw.choice([about, {"input_hash": "h1"}])
        value = about | {
            "version": 1,
            "about": draw.choice(["verdict", "title"]),
            "truth": draw.choice([None, "right", 5, {"a": [1, "é"]}]),
            "verified": draw.random() < 0.5,
            "source": draw.choice(["people", "unknown"]),
            "at": START_MS + draw.randrange(1000),
        }
        return Drawn("labels", next(iter(about.values())).encode(), json.dumps(value).encode())

    def _acknowledgement(self) -> Drawn:
        """Return who works on an episode: of two the one who did so first stands."""
        value = {
            "version": 1,
            "kind": "acknowledge",
            "id": f"command-{self._serial}",
            "by": self._draw.choice(["ada", "grace"]),
            "at_ms": START_MS + self._draw.randrange(1000),
            "comment": "mine",
            "fingerprint": "f1",
            "breach_id": f"episode-{self._draw.randrange(1 + self._serial // 20)}",
        }
        return Drawn("commands", b"f1", json.dumps(value).encode())

    def _breach(self) -> Drawn:
        number, samples = self._serial // 20, self._draw.randrange(1000)
        revision = self._draw.randrange(1, 9)
        fields = breach(f"episode-{number}", revision=revision, samples=samples)
        return Drawn("breaches", b"f1", json.dumps(fields).encode())

    def _decision(self) -> Drawn:
        decision = {
            "id": f"decision-{self._serial}",
            "fingerprint": "f1",
            "breach_id": f"episode-{self._serial // 20}",
            "rule": "parse-errors",
            "series": "parse",
            "severity": "high",
            "channel": "slack",
            "event": "opened",
            "reason": "sent",
            "sentence": "Sent.",
            "now_ms": START_MS + self._serial,
            "cause": {"kind": "tick"},
        }
        return Drawn("notifications", b"f1", json.dumps(decision).encode())


def partition_of(drawn: Drawn, partitions: int) -> int:
    """Return the partition of a record, by its key; topics of alerting have one."""
    if drawn.topic in ("breaches", "notifications", "commands"):
        return 0
    return zlib.crc32(drawn.key) % partitions
