"""Quality under SIGKILL, SIGSTOP, failpoints: each analysis counts once, as an oracle says."""

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests import topics
from tests.acceptance import oracle
from tests.acceptance.cluster import Workers
from tests.acceptance.conftest import PARTITIONS
from tests.acceptance.quality_scene import Publisher, latest, make_analysis

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

INPUTS = 12
MODELS = ("small", "large", "broken")
#: Killed there, after a few times.
FAILPOINTS = (
    "quality_before_scores:3",
    "quality_after_scores:3",
    "quality_after_rows:5",
    "ingest_after_partials:3",
    "windows_after_publish:3",
    "windows_after_rows:3",
    "calibration_after_publish:2",
    "calibration_after_rows:2",
)
LABEL_FAILPOINTS = (
    "calibration_after_publish:2",
    "calibration_after_rows:2",
    "labels_after_publish:2",
)
#: No cooldown: what limits remediations is their number.
QUALITY = """
version: 1
budget: 20s
deadline: 10s
remediation: {attempts: 2, cooldown: 1ms}
"""


@pytest.fixture
def workers(kafka: str, prefix: str, tmp_path: Path, eventually: Callable) -> Iterator[Workers]:
    file = tmp_path / "quality.yaml"
    file.write_text(QUALITY)
    workers = Workers(
        kafka,
        prefix,
        PARTITIONS,
        tmp_path,
        role="quality",
        OPWATCH_SESSION_TIMEOUT_S="6",
        OPWATCH_QUALITY_FILE=str(file),
    )
    # What is kept by input has as many partitions as `analyses`, whatever the plane's number is.
    analyses = NewTopic(prefix + "analyses", PARTITIONS + 1, 1)
    topics.make(AdminClient({"bootstrap.servers": kafka}), analyses)
    workers.start("w0")
    admin = Producer({"bootstrap.servers": kafka})
    eventually(lambda: prefix + "scored-analyses" in admin.list_topics(timeout=10).topics)
    yield workers
    workers.close()
    print((tmp_path / "w0.log").read_text()[-3000:])


def made(number: int, chance: random.Random) -> dict[str, Any]:
    """Return an analysis; those of the broken model lack what they need."""
    model = chance.choice(MODELS)
    result = {"fields": {"title": None, "company": None}} if model == "broken" else {}
    return make_analysis(
        f"a-{number}",
        model=model,
        platform=chance.choice(["lever", "indeed"]),
        input={"hash": f"input-{chance.randrange(INPUTS)}"},
        result=result,
    )


def test_every_analysis_counts_once_and_no_input_is_remedied_beyond_its_limit(
    kafka: str, prefix: str, workers: Workers, eventually: Callable
):
    chance, publisher = random.Random(12), Publisher(kafka, prefix)
    analyses: dict[str, dict[str, Any]] = {}

    def publish(count: int) -> None:
        sent = [made(len(analyses) + number, chance) for number in range(count)]
        publisher.analyses(sent)
        publisher.flush()
        analyses.update((analysis["id"], analysis) for analysis in sent)

    publish(50)
    eventually(lambda: len(latest(kafka, prefix + "scored-analyses")) == len(analyses))
    for failpoint in FAILPOINTS:
        workers.restart("w0", failpoint)
        for _ in range(3):
            publish(20)
            time.sleep(0.5)
    workers.restart("w0")
    publish(100)
    workers.signal("w0", signal.SIGSTOP)
    workers.start("w1")
    publish(100)
    time.sleep(8)  # longer than the session timeout: the other has the partitions
    workers.signal("w0", signal.SIGCONT)
    publish(50)

    def is_scored() -> bool:
        workers.supervise()
        return len(latest(kafka, prefix + "scored-analyses")) == len(analyses)

    eventually(is_scored)
    scored = latest(kafka, prefix + "scored-analyses")
    scores = latest(kafka, prefix + "quality-scores")
    assert scored.keys() == scores.keys() == analyses.keys()
    for name, record in scored.items():
        assert record["analysis"] == analyses[name]
        assert scores[name]["overall"] is not None

    expected = Counter(
        (name, label, value)
        for analysis in analyses.values()
        for name in ("*", analysis["operation"])
        for label, value in (
            *(("", ""), ("platform", analysis["platform"]), ("model", analysis["model"])),
        )
    )
    eventually(lambda: workers.supervise() or counted(kafka, prefix) == expected)

    by_input: Counter[str] = Counter()
    for record in {
        request["id"]: request
        for request in map(value_of, oracle.read_topic(kafka, prefix + "remediations"))
    }.values():
        by_input[record["input_hash"]] += 1
        assert record["attempt"] <= 2
        assert scores[record["analysis"]]["overall"] < 0.7
    assert by_input
    assert max(by_input.values()) <= 2


def value_of(record: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(record.value())
    return value


def brier(rows: list[tuple[bool, float]]) -> Any:
    square = sum((estimate - right) ** 2 for right, estimate in rows)
    return pytest.approx(square / len(rows), abs=1e-4)


def counted(kafka: str, prefix: str) -> Counter[tuple[str, str, str]]:
    """Return how many overall scores windows of five minutes have, by series."""
    newest: dict[bytes, dict[str, Any]] = {}
    for record in oracle.read_topic(kafka, prefix + "aggregates"):
        value = value_of(record)
        if value["kind"] == "quality" and value["window"]["size"] == "5m":
            before = newest.get(record.key())
            if before is None or value["revision"] >= before["revision"]:
                newest[record.key()] = value
    counts: Counter[tuple[str, str, str]] = Counter()
    for value in newest.values():
        series = value["series"]
        if series["dimension"] == "overall":
            label = next((name for name in ("platform", "model") if series.get(name)), "")
            counts[series["operation"], label, series.get(label) or ""] += value["count"]
    return counts


def test_late_repeated_and_corrected_labels_change_calibration_as_an_oracle_says(
    kafka: str, prefix: str, workers: Workers, eventually: Callable
):
    chance, publisher = random.Random(5), Publisher(kafka, prefix)
    names = [f"a-{number}" for number in range(40)]
    confidence = {name: chance.randrange(101) / 100 for name in names}
    publisher.analyses(
        make_analysis(
            name, model=chance.choice(MODELS[:2]), result={"confidence": confidence[name]}
        )
        for name in names
    )
    publisher.label(analysis="a-0", truth="likely_ghost", at=1_000)  # perhaps before its score
    publisher.flush()
    eventually(lambda: len(latest(kafka, prefix + "scored-analyses")) == len(names))
    scored = latest(kafka, prefix + "scored-analyses")
    at_ms, truths = 2_000, {"a-0": "likely_ghost"}
    for failpoint in LABEL_FAILPOINTS:
        workers.restart("w0", failpoint)
        for name in chance.sample(names[:30], 12):
            at_ms += 1
            truths[name] = chance.choice(["likely_real", "Likely_Real", "likely_ghost"])
            for _ in range(chance.randint(1, 3)):
                publisher.label(analysis=name, truth=truths[name], at=at_ms, source="ada")
            publisher.label(analysis=name, truth="never so", at=at_ms - 1, source="ada")
        publisher.flush()
        time.sleep(1)
    publisher.label(input_hash="hash-a-35", truth="likely_real", at=1_000)
    truths["a-35"] = "likely_real"
    publisher.label(analysis="a-0", truth="likely_real", at=500, source="bob", verified=True)
    truths["a-0"] = "likely_real"
    publisher.flush()

    def expected() -> dict[str, tuple[int, int, float, float]]:
        found: dict[str, list[tuple[bool, float, float]]] = {}
        for name, truth in truths.items():
            record = scored[name]
            right = truth.casefold() == "likely_real"
            found.setdefault(record["analysis"]["model"], []).append(
                (right, confidence[name], record["quality"]["overall"])
            )
        return {
            model: (
                len(rows),
                sum(right for right, _, _ in rows),
                *(brier([(row[0], row[at]) for row in rows]) for at in (1, 2)),
            )
            for model, rows in found.items()
        }

    def published() -> dict[str, tuple[int, int, float, float]]:
        workers.supervise()
        newest: dict[bytes, dict[str, Any]] = {}
        for record in oracle.read_topic(kafka, prefix + "aggregates"):
            value = value_of(record)
            if value["kind"] == "calibration" and value["window"]["size"] == "7d":
                newest[record.key()] = value
        return {
            value["series"]["model"]: (
                value["count"],
                value["right"],
                value["confidence"]["brier_score"],
                value["overall"]["brier_score"],
            )
            for value in newest.values()
        }

    eventually(lambda: published() == expected())
