"""Whatever an assessor does, results flow on with the others' score, and every analysis counts."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import oracle
from tests.acceptance.quality_scene import Publisher, install_assessor, latest, make_analysis
from tests.acceptance.running import ROOT, Running

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

HOSTILE = """
import ctypes, os, re, time
from streams.quality.assessor import Assessed

class Brought:
    name, version, dimension, heavy = "hostile", 1, "hostile", False

    def assess(self, analysis, context):
        match analysis.result.notes:
            case "hang":
                re.match(r"(a+)+$", "a" * 60 + "b")
            case "slow":
                time.sleep(60)
            case "crash":
                ctypes.string_at(0)
            case "leave":
                os._exit(3)
            case "raise":
                raise RuntimeError("broken")
            case "eat":
                bytes(1 << 34)
        return Assessed(score=1.0)
"""
SLOW, BROKEN = ("hang", "slow"), ("crash", "leave", "raise", "eat")
#: Beside one that hangs no process may be idle, and on a busy machine all may be slow.
UNLUCKY = {"too_slow", "out_of_budget"}
EACH = 2
GOOD = 40
#: Enough time for the processes of a busy machine.
PATIENT = "version: 1\ndeadline: 2s\nbudget: 30s\n"


@pytest.fixture
def start(running: Running, tmp_path: Path, eventually: Callable) -> Callable[[str], int]:
    """Return what starts a worker with a quality file, and the hostile assessor installed."""

    def starting(quality_file: str) -> int:
        site = install_assessor(tmp_path, "hostile_assessor", HOSTILE)
        file = tmp_path / "quality.yaml"
        file.write_text(quality_file)
        environment = {"PYTHONPATH": f"{ROOT}:{site}", "OPWATCH_QUALITY_FILE": str(file)}
        number = running.start("quality", **environment)
        eventually(lambda: running.is_ready(number))
        return number

    return starting


def figures(text: str) -> Counter[str]:
    """Return what the metrics of analyses say, over all labels."""
    found: Counter[str] = Counter()
    for name, value in re.findall(
        r"(?m)^opwatch_(analyses_\w+?)(?:_total)?(?:\{.*\})? (\S+)$", text
    ):
        if not name.endswith("_created"):
            found[name] += float(value)
    return found


def adds_up(found: Counter[str]) -> bool:
    """Return whether what was received is scored, left out, pending or a dead letter."""
    kinds = ("scored", "left_out", "pending", "dead_letters")
    return found["analyses_received"] == sum(found[f"analyses_{kind}"] for kind in kinds)


def analyses() -> list[dict[str, Any]]:
    """Return good analyses, and among them those that the assessor cannot stand."""
    found = [make_analysis(f"good-{i}") for i in range(GOOD)] + [
        make_analysis(f"{notes}-{i}", result={"notes": notes})
        for i in range(EACH)
        for notes in (*SLOW, *BROKEN)
    ]
    return sorted(found, key=lambda analysis: int(analysis["id"].split("-")[1]))


def publish(
    kafka: str, prefix: str, running: Running, worker: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Publish analyses; return what is scored, and the scores. Accounting holds all the time."""
    publisher, sent = Publisher(kafka, prefix), analyses()
    batches = [sent[start : start + 8] for start in range(0, len(sent), 8)]
    refused = len(batches)
    give_up = time.monotonic() + 120
    scored: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    letters: list[Any] = []
    for batch in batches:
        publisher.analyses(batch)
        publisher.send("analyses", None, b"no analysis")
        publisher.flush()
        found = figures(running.get(worker, "/metrics")[1])
        assert adds_up(found), found
    while len(scores) < len(sent) or len(scored) < len(sent) or len(letters) < refused:
        assert time.monotonic() < give_up, Counter(name.split("-")[0] for name in scores)
        found = figures(running.get(worker, "/metrics")[1])
        assert adds_up(found), found
        scored = latest(kafka, prefix + "scored-analyses")
        scores = latest(kafka, prefix + "quality-scores")
        letters = oracle.read_topic(kafka, prefix + "dead-letters")
    found = figures(running.get(worker, "/metrics")[1])
    assert found["analyses_pending"] == 0
    assert found["analyses_scored"] == len(sent)
    assert found["analyses_dead_letters"] == len(letters) == refused
    assert {dict(letter.headers())["reason"] for letter in letters} == {b"invalid_json"}
    assert scored.keys() == scores.keys() == {analysis["id"] for analysis in sent}
    return scored, scores


def test_whatever_an_assessor_does_it_alone_is_left_out_and_named(
    kafka: str, prefix: str, running: Running, start: Callable[[str], int]
):
    scored, scores = publish(kafka, prefix, running, start(PATIENT))

    for name, quality in scores.items():
        notes = name.split("-")[0]
        assert scored[name]["quality"] == quality
        assert quality["overall"] is not None
        assert {"accuracy", "performance", "reliability"} <= quality["dimensions"].keys()
        weights = sum(dimension["weight"] for dimension in quality["dimensions"].values())
        assert weights == pytest.approx(1)
        left_out = {entry["dimension"]: entry["why"] for entry in quality["left_out"]}
        expected = None if notes == "good" else "too_slow" if notes in SLOW else "failed"
        assert left_out.get("hostile") == expected, (name, quality["left_out"])
        assert ("hostile" in quality["dimensions"]) is (notes == "good")


def test_results_flow_on_within_the_budget_beside_a_hostile_assessor(
    kafka: str, prefix: str, running: Running, start: Callable[[str], int]
):
    """On a busy machine many are left out, for their processes get no time: that is said, too."""
    scored, scores = publish(kafka, prefix, running, start("version: 1\n"))

    unscored = [name for name, record in scored.items() if record["quality"] is None]
    took_ms = sorted(quality["took_ms"] for quality in scores.values())
    print(f"{len(unscored)} of {len(scored)} went out before their scores")
    print("longest assessments, ms:", took_ms[-5:])
    for name, quality in scores.items():
        assert quality["overall"] is not None
        left_out = {entry["dimension"]: entry["why"] for entry in quality["left_out"]}
        allowed = {"good": {None}, "hang": set(), "slow": set()}.get(name.split("-")[0], {"failed"})
        assert left_out.get("hostile") in allowed | UNLUCKY


def test_each_bad_record_is_one_dead_letter(
    kafka: str,
    prefix: str,
    start: Callable[[str], int],
    eventually: Callable,
):
    start("version: 1\n")
    publisher = Publisher(kafka, prefix)
    good, now_ms = make_analysis("good"), int(time.time() * 1000)
    publisher.analyses([good])

    def send(key: str | None, **changed: Any) -> None:
        publisher.send("analyses", key, json.dumps(good | {"id": "bad"} | changed).encode())

    send("hash-good", duration_ms=-1)
    send("another")
    send(None)
    send("hash-good", occurred_at=now_ms - 7_200_000)
    send("hash-good", occurred_at=now_ms + 3_600_000)
    publisher.send("analyses", "hash-good", b"[" * 1_000)
    publisher.label(analysis="good", truth="likely_real")
    publisher.send("labels", "good", json.dumps({"truth": 1, "at": now_ms}).encode())
    publisher.send(
        "labels", "x", json.dumps({"analysis": "good", "truth": 1, "at": now_ms}).encode()
    )
    publisher.flush()

    def letters() -> list[bytes] | None:
        found = oracle.read_topic(kafka, prefix + "dead-letters")
        return (
            sorted(dict(letter.headers())["reason"] for letter in found)
            if len(found) >= 8
            else None
        )

    assert eventually(letters) == sorted(
        [
            *(b"invalid_analysis", b"wrong_key", b"wrong_key", b"too_old", b"from_future"),
            *(b"invalid_json", b"invalid_label", b"wrong_key"),
        ]
    )
    assert list(latest(kafka, prefix + "scored-analyses")) == ["good"]
