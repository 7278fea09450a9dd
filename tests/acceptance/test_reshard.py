"""`opwatch topics reshard N` moves what runs to more partitions, and nothing is lost or doubled."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from agents.reshard.run import reshard
from agents.reshard.tables import CannotReshard
from agents.runtime.settings import Settings
from tests import preloaded, topics
from tests.acceptance import oracle
from tests.acceptance.test_clocks_and_partitions import MINUTE_MS, Scene, now_ms
from tests.integration.command_line import Cli

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

BEFORE, AFTER = 2, 5
WAIT_S = 60.0
Eventually = Callable[..., Any]


@pytest.fixture
def scene(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Scene]:
    found = Scene(kafka, prefix, tmp_path / "scene", BEFORE)
    yield found
    found.running.close()
    for number in range(len(found.running.processes)):
        print(number, found.running.log(number)[-3000:])


def opened(scene: Scene) -> list[tuple[str, str]]:
    """Return the id and state of each breach record of the ill platform."""
    records = oracle.read_topic(scene.kafka, scene.prefix + "breaches")
    told = [json.loads(record.value()) for record in records]
    return [(one["id"], one["state"]) for one in told if one["rule"] == "errors"]


def send(scene: Scene, *minutes: int) -> None:
    for minute in minutes:
        for number in range(12):
            at_ms = minute * MINUTE_MS + number * 4_000
            for platform in ("well", f"p{number}"):
                scene.send(platform, at_ms, number % BEFORE)
            scene.send("ill", at_ms, number % BEFORE, success=False)
    scene.flush()


async def test_a_worker_that_starts_meanwhile_ends_the_move_and_nothing_is_changed(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    cli = Cli(kafka, tmp_path)
    environment = {"OPWATCH_TOPIC_PREFIX": prefix, "OPWATCH_PARTITIONS": str(BEFORE)}
    assert cli("topics", "create", **environment).returncode == 0
    late = Consumer(
        {"bootstrap.servers": kafka, "group.id": prefix + "measure", "enable.auto.commit": False}
    )

    def start_late(step: str) -> None:
        if step.startswith("no worker runs"):
            late.subscribe([prefix + "partials"])
            while not late.assignment():
                late.poll(0.1)

    settings = Settings(
        _env_file=None, kafka_bootstrap=kafka, topic_prefix=prefix, partitions=BEFORE
    )
    with pytest.raises(CannotReshard, match=r"started meanwhile \(1 of measure\): nothing was"):
        await reshard(settings, AFTER, start_late)
    late.close()
    assert cli("topics", "check", **environment).returncode == 0
    await reshard(settings, AFTER, print)
    environment["OPWATCH_PARTITIONS"] = str(AFTER)
    assert cli("topics", "check", **environment).returncode == 0


def test_a_reshard_that_is_cut_off_goes_on_and_all_that_was_known_is_still_known(
    scene: Scene, eventually: Eventually, tmp_path: Path
) -> None:
    cli = Cli(scene.kafka, tmp_path)
    environment = {
        "OPWATCH_TOPIC_PREFIX": scene.prefix,
        "OPWATCH_PARTITIONS": str(BEFORE),
        "OPWATCH_SESSION_TIMEOUT_S": "1",
    }

    def reshard(number: int) -> Any:
        return cli("topics", "reshard", str(number), **environment)

    scene.start()
    now = now_ms() // MINUTE_MS
    send(scene, *range(now - 8, now - 2))
    eventually(scene.is_counted)
    eventually(lambda: {state for _, state in opened(scene)} == {"opened"})
    refused = reshard(AFTER)
    assert refused.returncode == 1
    assert "workers run (1 of measure): end those of measure, quality, store" in refused.stderr
    assert reshard(1).stderr.startswith("opwatch: the measuring plane has 2 partitions, and Kafka")

    environment["OPWATCH_SESSION_TIMEOUT_S"] = "6"
    worker = scene.running.processes[scene.number]
    worker.kill()
    worker.wait()
    send(scene, now - 2)
    log = tmp_path / "reshard.log"
    moving = preloaded.start(
        ["topics", "reshard", str(AFTER)],
        os.environ | environment | {"OPWATCH_KAFKA_BOOTSTRAP": scene.kafka},
        tmp_path,
        log,
    )
    eventually(lambda: "all is put aside" in log.read_text(), WAIT_S)
    moving.kill()
    moving.wait()
    begun = cli("topics", "create", **environment)  # as a worker does when it starts
    assert "the topics are being moved to 5 partitions" in begun.stderr
    assert "a move to 5 partitions has begun" in reshard(AFTER + 1).stderr
    done = reshard(AFTER)
    assert done.returncode == 0, done.stderr
    assert "Set OPWATCH_PARTITIONS to 5 for every worker" in done.stdout
    begun = cli("topics", "create", **environment)
    assert "OPWATCH_PARTITIONS is 2: set it to 5" in begun.stderr

    scene.settings["OPWATCH_PARTITIONS"] = str(AFTER)
    topics.grow(scene.admin, scene.topic, BEFORE + 1)
    scene.start()
    eventually(scene.is_counted)
    send(scene, now - 1)
    eventually(scene.is_counted)
    scene.kill()
    eventually(lambda: scene.running.is_ready(scene.number))
    time.sleep(2)
    assert scene.is_counted()
    # Each minute was final once, with all of it: none was published again with less.
    for series in ("*", '*{platform="well"}'):
        assert {count for _, count in scene.finals(series).values()} <= {36, 12}
    assert scene.dead() == {}
    breaches = opened(scene)
    assert len({breach for breach, _ in breaches}) == 1
    assert "resolved" not in {state for _, state in breaches}
    assert cli("topics", "check", **environment | {"OPWATCH_PARTITIONS": "5"}).returncode == 0
