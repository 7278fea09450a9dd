"""`opwatch topics` makes topics that fit, on a real Kafka, and says which do not."""

import asyncio
import re

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.role_topics import everything
from agents.kafka.topic_creation import TopicMisfit, TopicSpec, ensure
from tests import topics
from tests.integration.command_line import Cli


def test_topics_are_made_once_and_then_fit(cli: Cli):
    again, checked = cli("topics", "create"), cli("topics", "check")

    assert (again.returncode, again.stdout) == (0, "all topics exist and fit\n")
    assert checked.returncode == 0
    assert re.search(rf"{cli.prefix}operations +3 +delete +7 d +yes", checked.stdout)
    assert re.search(rf"{cli.prefix}dead-letters +1 +delete +30 d +yes", checked.stdout)


def test_workers_that_start_together_make_the_topics_once(bare: Cli):
    settings = bare.settings
    log = TopicSpec(f"{settings.topic_prefix}log", 3, {"cleanup.policy": "compact"})

    every = [*everything(settings), log]

    async def start() -> list[list[str]]:
        answers = await asyncio.gather(*[ensure(settings, every) for _ in range(4)])
        return [made for made, _ in answers]

    made = [name for each in asyncio.run(start()) for name in each]
    assert sorted(made) == sorted(spec.name for spec in every)
    with pytest.raises(TopicMisfit, match="opwatch makes it with delete"):
        asyncio.run(ensure(settings, [log._replace(config={"cleanup.policy": "delete"})]))


def test_a_changed_number_of_partitions_is_refused_with_what_to_do(cli: Cli):
    for command in ("check", "create"):
        answer = cli("topics", command, "--partitions", "8")
        assert answer.returncode == 1
        assert (
            f"{cli.prefix}partials has 3 partitions, OPWATCH_PARTITIONS is 8: set it to 3"
            in answer.stderr
        )


def test_a_topic_cleaned_otherwise_is_refused_and_a_shorter_one_noted(bare: Cli):
    cli = bare

    odd = {"operations": {"retention.ms": "60000"}, "aggregates": {"cleanup.policy": "delete"}}
    topics.make(
        AdminClient({"bootstrap.servers": cli.kafka}),
        *(NewTopic(cli.prefix + name, 3, 1, config=config) for name, config in odd.items()),
    )
    refused = cli("topics", "create")

    assert refused.returncode == 1
    assert "has cleanup.policy=delete, opwatch makes it with compact,delete" in refused.stderr
    assert "retention.ms" not in refused.stderr
    checked = cli("topics", "check")
    assert f"note: {cli.prefix}operations has retention.ms=60000" in checked.stderr
    assert f"{cli.prefix}partials does not exist" in checked.stderr


def test_a_broker_that_is_away_is_one_sentence_and_exit_code_3(cli: Cli):
    for command in (["topics", "check"], ["tail", "--once"], ["deadletters", "list"]):
        answer = cli(*command, OPWATCH_KAFKA_BOOTSTRAP="127.0.0.1:1")
        assert answer.returncode == 3
        assert answer.stdout == ""
        assert answer.stderr == (
            "opwatch: cannot reach Kafka at 127.0.0.1:1: connection refused. Is it running?"
            " `make up` starts one; OPWATCH_KAFKA_BOOTSTRAP names another.\n"
        )


def test_a_missing_topic_is_one_sentence(bare: Cli):
    answer = bare("tail", "--once")
    assert answer.returncode == 1
    assert re.match(
        r"opwatch: test-cli-\w+\.aggregates does not exist .*topics create", answer.stderr
    )
