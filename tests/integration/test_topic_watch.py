"""What changes under a running worker is noticed, named with the cure, and found by the check."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from faust.types import TP
from structlog.testing import capture_logs

from agents.kafka import topic_watch
from agents.kafka.commit_metadata import CommitMetadata
from agents.kafka.topic_watch import TopicWatch
from agents.runtime.refusals import Refusal
from agents.runtime.settings import Settings
from stack.kafka import LocalKafka
from tests import topics
from tests.integration.command_line import Cli
from tests.ports import lasting_port

ROLES = ("measure", "alert")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_watch, "LOOK_S", 0.2)
    monkeypatch.setattr(topic_watch, "PING_S", 0.2)
    monkeypatch.setattr(topic_watch, "AWAY_S", 1.0)


@pytest.fixture
def administrator(cli: Cli) -> AdminClient:
    return AdminClient({"bootstrap.servers": cli.kafka})


@asynccontextmanager
async def watching(
    settings: Settings, role: str, held: Callable[[], dict[TP, int]] = dict
) -> AsyncIterator[tuple[TopicWatch, "asyncio.Task[None]"]]:
    watch = TopicWatch(settings, role, held)
    await watch.begin()
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.5)
    yield watch, task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Refusal):
        await task


async def until(probe: Callable[[], object], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < give_up, "it did not come true"
        await asyncio.sleep(0.1)


# ------------------------------------------------------------------ what nobody survives


@pytest.mark.parametrize(("role", "name"), [("measure", "operations"), ("alert", "breaches")])
async def test_a_topic_that_was_made_again_ends_the_worker(
    role: str, name: str, cli: Cli, administrator: AdminClient
) -> None:
    topic = cli.prefix + name
    async with watching(cli.settings, role) as (_, task):
        await asyncio.to_thread(topics.remove, administrator, topic)
        await asyncio.sleep(2)
        if not task.done():  # else it was seen while there was none
            await asyncio.to_thread(topics.make, administrator, NewTopic(topic, 3, 1))
        with pytest.raises(Refusal, match=f"{topic} was deleted"):
            await asyncio.wait_for(task, 20)


async def test_the_groups_commits_remember_the_topics_through_a_restart(
    cli: Cli, administrator: AdminClient
) -> None:
    watch = TopicWatch(cli.settings, "measure", dict)
    await watch.begin()
    note = CommitMetadata(watch.topic_ids()).text()
    from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition

    async with AIOKafkaConsumer(
        bootstrap_servers=cli.kafka, group_id=f"{cli.prefix}measure", enable_auto_commit=False
    ) as consumer:
        partials = TopicPartition(f"{cli.prefix}partials", 0)
        consumer.assign([partials])
        await consumer.commit({partials: OffsetAndMetadata(0, note)})
    await TopicWatch(cli.settings, "measure", dict).begin()
    topic = f"{cli.prefix}operations"
    topics.remove(administrator, topic)
    topics.make(administrator, NewTopic(topic, 3, 1))

    with pytest.raises(Refusal, match=f"{topic} was deleted and made again"):
        await TopicWatch(cli.settings, "measure", dict).begin()
    answer = await asyncio.to_thread(cli, "topics", "check")
    assert answer.returncode == 1
    assert f"{topic} was deleted and made again" in answer.stderr
    assert "Choose another OPWATCH_TOPIC_PREFIX" in answer.stderr

    # … which is what helps, and so does the other advice.
    elsewhere = {"OPWATCH_TOPIC_PREFIX": f"{cli.prefix}again."}
    made = await asyncio.to_thread(lambda: cli("topics", "create", **elsewhere))
    assert made.returncode == 0
    fits = await asyncio.to_thread(lambda: cli("topics", "check", **elsewhere))
    assert (fits.returncode, fits.stderr) == (0, "")
    every = [name for name in administrator.list_topics().topics if name.startswith(cli.prefix)]
    topics.remove(administrator, *(name for name in every if ".again." not in name))
    assert (await asyncio.to_thread(cli, "topics", "create")).returncode == 0
    await TopicWatch(cli.settings, "measure", dict).begin()


@pytest.mark.parametrize(
    ("role", "name"),
    [("measure", "partials"), ("measure", "measure-rules-changelog"), ("alert", "commands")],
)
async def test_partitions_that_are_added_to_what_has_a_fixed_number_end_the_worker(
    role: str, name: str, cli: Cli, administrator: AdminClient
) -> None:
    topic = cli.prefix + name
    async with watching(cli.settings, role) as (_, task):
        await asyncio.to_thread(topics.grow, administrator, topic, 5)
        with pytest.raises(Refusal, match=f"{topic} has 5 partitions"):
            await asyncio.wait_for(task, 20)


# ------------------------------------------------------------------ what is said


async def test_a_configuration_that_changes_is_said_until_the_advice_is_followed(
    cli: Cli, administrator: AdminClient
) -> None:
    operations, aggregates = f"{cli.prefix}operations", f"{cli.prefix}aggregates"
    async with watching(cli.settings, "measure") as (watch, task):
        assert watch.remarks() == []
        topics.alter(
            administrator, operations, retention_ms="1000", message_timestamp_type="LogAppendTime"
        )
        topics.alter(administrator, aggregates, cleanup_policy="delete")
        await until(lambda: len(watch.remarks()) == 3)
        said = " ".join(watch.remarks())
        for part in ("retention.ms=604800000", "message.timestamp.type=CreateTime"):
            assert f"--topic {operations} --add-config {part} sets it" in said
        assert f"--topic {aggregates} --add-config cleanup.policy=[compact,delete] sets it" in said

        answer = await asyncio.to_thread(cli, "topics", "check")
        assert answer.returncode == 1
        for remark in watch.remarks():
            assert remark in answer.stderr

        topics.alter(
            administrator, operations, retention_ms="604800000", message_timestamp_type="CreateTime"
        )
        topics.alter(administrator, aggregates, cleanup_policy="compact,delete")
        await until(lambda: watch.remarks() == [])
        assert not task.done()


async def test_what_never_was_as_opwatch_makes_it_is_named_once_when_the_worker_starts(
    cli: Cli, administrator: AdminClient
) -> None:
    operations = f"{cli.prefix}operations"
    topics.alter(administrator, operations, message_timestamp_after_max_ms="3600000")
    with capture_logs() as logs:
        async with watching(cli.settings, "measure") as (watch, _):
            (remark,) = watch.remarks()
            assert remark.startswith(f"{operations} has message.timestamp.after.max.ms=3600000")
            assert watch.unready() is None
            await asyncio.sleep(0.5)
            assert logs == []  # the process has logged it when it looked at the topics

            topics.alter(administrator, operations, retention_ms="1000")
            await until(lambda: len(watch.remarks()) == 2)
            topics.alter(administrator, f"{cli.prefix}aggregates", cleanup_policy="delete")
            await until(lambda: len(watch.remarks()) == 3)
            await asyncio.sleep(0.5)
    assert [(one["log_level"], one["event"]) for one in logs] == [
        ("warning", "a topic differs from what opwatch makes"),
        ("error", "a topic does not fit any more"),
    ]
    assert "retention.ms=1000" in logs[0]["why"]
    assert "cleanup.policy=delete" in logs[1]["why"]


def test_history_is_refused_where_the_broker_sets_the_time(
    cli: Cli, administrator: AdminClient, tmp_path: Path
) -> None:
    topics.alter(administrator, f"{cli.prefix}operations", message_timestamp_type="LogAppendTime")
    history = tmp_path / "history.jsonl"
    history.write_text(
        '{"id":"1","operation":"parse","occurred_at":1790000000000,"success":true,"duration_ms":1}'
    )
    answer = cli("replay", str(history), "--as-recorded", "--speed", "max")
    assert answer.returncode == 1
    assert "message.timestamp.type=LogAppendTime" in answer.stderr
    assert cli.topic("operations") == []


@pytest.fixture
def open_transaction(cli: Cli) -> Iterator[Producer]:
    producer = Producer(
        {
            "bootstrap.servers": cli.kafka,
            "transactional.id": f"{cli.prefix}hangs",
            "transaction.timeout.ms": 60_000,
        }
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(f"{cli.prefix}operations", b"{}", partition=1)
    producer.flush(20)
    yield producer
    with contextlib.suppress(Exception):
        producer.abort_transaction(20)


def test_an_open_transaction_is_named_by_the_check_until_it_ends(
    cli: Cli, open_transaction: Producer
) -> None:
    answer = cli("topics", "check")
    assert answer.returncode == 0
    sentence = f"an open transaction holds {cli.prefix}operations, partition 1, at offset 0 now"
    assert sentence in answer.stderr
    open_transaction.abort_transaction(20)
    assert "transaction" not in cli("topics", "check").stderr


async def test_an_open_transaction_is_remarked_when_it_lasts(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_watch, "_PINNED_S", 0.5)
    held = {TP(f"{cli.prefix}operations", 1): 7}
    async with watching(cli.settings, "measure", lambda: held) as (watch, _):
        await until(watch.remarks)
        (said,) = watch.remarks()
        assert f"{cli.prefix}operations, partition 1, at offset 7 for" in said
        held.clear()
        assert watch.remarks() == []


async def test_kafka_that_is_away_is_named_and_forgotten_when_it_is_back(tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        settings = Settings(_env_file=None, kafka_bootstrap=kafka.bootstrap, partitions=1)
        async with watching(settings, "measure") as (watch, task):
            assert watch.unready() is None
            await asyncio.to_thread(kafka.kill)
            await until(watch.is_away)
            said = watch.unready() or ""
            assert said.startswith(f"Kafka at {kafka.bootstrap} has not answered since")
            await asyncio.to_thread(kafka.start)
            await until(lambda: watch.unready() is None)
            assert not task.done()
