"""`opwatch deadletters` lists, shows and redrives what stands on a real Kafka."""

import asyncio
import json
import re
import time
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.cli.redrive import REDRIVE_OF
from schemas.dead_letters import DeadLetter, to_headers
from schemas.operations import Operation
from tests.integration.command_line import Cli
from tests.integration.operation_samples import NOW_MS, operation


def dead_letter(cli: Cli, offset: int, value: bytes, **fields: Any) -> dict[str, Any]:
    letter = DeadLetter.model_validate(
        {
            "reason": "invalid_operation",
            "detail": "success: Input should be a valid boolean",
            "topic": f"{cli.prefix}operations",
            "partition": 1,
            "offset": offset,
            "timestamp_ms": NOW_MS,
            "size_bytes": len(value),
            "sha256": "0" * 64,
        }
        | fields
    )
    return {"value": value, "key": letter.key.encode(), "headers": to_headers(letter)}


def test_dead_letters_are_listed_once_each_and_shown(cli: Cli):
    assert cli("deadletters", "list").returncode == 1
    bad = json.dumps(operation(1, success="yes")).encode()
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 10, bad),
            dead_letter(cli, 10, bad),  # a restart says it again
            dead_letter(cli, 11, b"\xff\x00{", reason="invalid_json", detail="not JSON", index=4),
        ],
    )
    first, second = f"{cli.prefix}operations/1/10/-", f"{cli.prefix}operations/1/11/4"

    listed = cli("deadletters", "list", "--json")
    assert [json.loads(line)["key"] for line in listed.stdout.splitlines()] == [first, second]
    table = cli("deadletters", "list", "--reason", "invalid_json")
    assert table.returncode == 0
    assert "invalid_operation" not in table.stdout
    assert "not JSON" in table.stdout
    assert cli("deadletters", "list", "--since", "1h", "--limit", "1").stdout.count("\n") == 2
    assert cli("deadletters", "list", "--reason", "nonsense").returncode == 2

    shown = cli("deadletters", "show", first)
    assert "success: Input should be a valid boolean" in shown.stdout
    assert '"success": "yes"' in shown.stdout
    raw = cli("deadletters", "show", "--raw", first)
    assert raw.stdout.encode() == bad
    assert cli("deadletters", "show", "no/1/2/-").returncode == 1


def test_a_mended_letter_goes_back_once_for_ever(cli: Cli):
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 1, json.dumps(operation(1, success="yes")).encode()),
            dead_letter(cli, 2, json.dumps(operation(2)).encode(), reason="invalid_json"),
        ],
    )
    key = f"{cli.prefix}operations/1/1/-"

    refused = cli("deadletters", "redrive", key)
    assert refused.returncode == 1
    assert refused.stderr == (
        f'opwatch: {key} would be refused again: success: should be a valid boolean, not "yes".\n'
    )
    mend = ("--through", "sed 's/\"yes\"/true/'")
    rehearsed = cli("deadletters", "redrive", "--all", *mend, "--dry-run")
    assert rehearsed.returncode == 0
    assert "2 would be redriven, 0 refused" in rehearsed.stderr
    assert cli.topic("operations") == []

    gone = cli("deadletters", "redrive", key, *mend)
    assert (gone.returncode, gone.stderr) == (0, "")
    again = cli("deadletters", "redrive", key, *mend)
    assert again.returncode == 1
    assert re.match(rf"opwatch: {re.escape(key)} was already redriven at \S+ \S+ UTC", again.stderr)
    rest = cli("deadletters", "redrive", "--all", *mend)
    assert rest.returncode == 0
    assert "1 redriven, 0 refused, 1 redriven before" in rest.stderr

    records = {json.loads(one.value)["id"]: one for one in cli.topic("operations")}
    assert records.keys() == {"op-1", "op-2"}
    assert Operation.model_validate_json(records["op-1"].value).success is True
    assert dict(records["op-1"].headers)[REDRIVE_OF] == key.encode()
    assert cli("deadletters", "list").stdout.count(" yes ") == 2


def test_what_cannot_count_any_more_is_refused_with_the_reason(cli: Cli):
    stale = json.dumps(operation(1, occurred_at=int(time.time() * 1000) - 11_520_000)).encode()
    ahead = json.dumps(operation(2, occurred_at=int(time.time() * 1000) + 7_200_000)).encode()
    good = json.dumps(operation(3)).encode()
    cli.publish(
        "dead-letters",
        [
            dead_letter(cli, 1, stale, reason="too_old"),
            dead_letter(cli, 2, ahead, reason="from_future"),
            dead_letter(cli, 3, good, truncated=True, size_bytes=10_000_000, reason="too_large"),
            dead_letter(cli, 4, good, topic=f"{cli.prefix}partials"),
            dead_letter(cli, 5, b"[]", reason="empty_array"),
            dead_letter(cli, 7, b"[]", reason="window_expired", detail="3 operations"),
            dead_letter(cli, 6, f"[{good.decode()}]".encode(), index=2),
        ],
    )
    answer = cli("deadletters", "redrive", "--all")

    assert answer.returncode == 1
    told = answer.stderr
    assert "happened 3 h 12 min ago; windows close after 1 h." in told
    assert re.search(r"happens 1 h 59 min from now; at most 1 min is accepted", told)
    assert "is truncated: 10,000,000 bytes were refused and only the first are stored" in told
    assert f"came from {cli.prefix}partials; only what came from" in told
    assert "/5/- would be refused again: an array without operations" in told
    assert "/6/2 would be refused again:" in told
    assert "/7/- cannot count any more: 3 operations." in told
    assert "0 redriven, 7 refused" in told
    assert cli.topic("operations") == []
    assert cli("deadletters", "redrive", "no/1/2/-").stderr == (
        "opwatch: there is no dead letter no/1/2/-.\n"
    )
    assert cli("deadletters", "redrive").returncode == 2


def test_a_command_that_fails_mends_nothing(cli: Cli):
    cli.publish("dead-letters", [dead_letter(cli, 1, b"{}")])
    answer = cli("deadletters", "redrive", "--all", "--through", "echo broken >&2; exit 4")
    assert answer.returncode == 1
    assert "made the command exit with 4: broken." in answer.stderr


def test_two_redrives_at_once_count_each_letter_once(cli: Cli):
    letters = [dead_letter(cli, n, json.dumps(operation(n)).encode()) for n in range(1500)]

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=cli.kafka) as producer:
            topic = f"{cli.prefix}dead-letters"
            await asyncio.gather(*[await producer.send(topic, **one) for one in letters])

    asyncio.run(send())
    processes = [cli.start("deadletters", "redrive", "--all") for _ in range(3)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    last = cli("deadletters", "redrive", "--all")

    assert last.returncode == 0, last.stderr
    assert "Traceback" not in "".join(err for err, _ in ends)
    assert all(code in (0, 1) for _, code in ends), ends
    ids = [json.loads(record.value)["id"] for record in cli.topic("operations")]
    assert len(ids) == len(set(ids)) == 1500


def test_a_redrive_that_is_killed_leaves_nothing_half_done(cli: Cli):
    letters = [dead_letter(cli, n, json.dumps(operation(n)).encode()) for n in range(40)]
    cli.publish("dead-letters", letters)

    async def half_done() -> None:
        """What a killed redrive leaves: an open transaction with records and no end."""
        producer = AIOKafkaProducer(
            bootstrap_servers=cli.kafka, transactional_id=f"{cli.prefix}redrive"
        )
        await producer.start()
        await producer.begin_transaction()
        value = json.dumps(operation(0)).encode()
        await producer.send_and_wait(f"{cli.prefix}operations", value)
        await producer.client.close()
        producer._sender._sender_task.cancel()
        producer._closed = True

    asyncio.run(half_done())
    answer = cli("deadletters", "redrive", "--all")

    assert answer.returncode == 0, answer.stderr
    ids = [json.loads(record.value)["id"] for record in cli.topic("operations")]
    assert sorted(ids) == sorted(f"op-{n}" for n in range(40))


def test_the_reader_meets_an_end_of_control_records(cli: Cli):
    """Transactions leave offsets without a record where a topic ends."""
    cli.publish("dead-letters", [dead_letter(cli, 1, json.dumps(operation(1)).encode())])
    assert cli("deadletters", "redrive", "--all").returncode == 0
    assert [len(cli.topic(name)) for name in ("operations", "dead-letters")] == [1, 2]
