"""`opwatch replay` publishes what was recorded to a real Kafka."""

import json
import signal
import time
from typing import Any

from schemas.operations import Operation
from tests.integration.command_line import Cli
from tests.integration.operation_samples import NOW_MS, operation


def lines(*objects: Any) -> str:
    return "".join(json.dumps(each) + "\n" for each in objects)


def test_times_move_so_that_the_last_operation_is_now(cli: Cli):
    old = NOW_MS - 90 * 86_400_000
    (cli.folder / "old.jsonl").write_text(
        lines(
            operation(1, occurred_at=old, unknown="kept"),
            operation(2, occurred_at=old + 600_000, platform="lever"),
            [
                operation(3, occurred_at=old + 1000),
                operation(4, occurred_at="2024-01-01T00:00:00Z"),
            ],
        )
    )
    span = old + 600_000 - 1_704_067_200_000

    before = int(time.time() * 1000)
    answer = cli("replay", "old.jsonl", "--speed", "max")
    after = int(time.time() * 1000)

    assert (answer.returncode, answer.stderr) == (0, "read 3 lines: published 3, left out 0\n")
    records = {record.timestamp: json.loads(record.value) for record in cli.topic("operations")}
    # The elements of the array lie too far apart for one record.
    first, second, third, fourth = sorted(records.values(), key=lambda body: body["id"])
    assert before <= second["occurred_at"] <= after
    assert second["occurred_at"] - first["occurred_at"] == 600_000
    assert first["unknown"] == "kept"
    assert third["occurred_at"] - first["occurred_at"] == 1000
    assert second["occurred_at"] - fourth["occurred_at"] == span
    assert {body["occurred_at"] for body in records.values()} == records.keys()


def test_the_recorded_pace_is_kept_or_so_many_times_faster(cli: Cli):
    source = lines(*(operation(n, occurred_at=NOW_MS + n * 2_000) for n in range(5)))
    (cli.folder / "eight-seconds.jsonl").write_text(source)

    began = time.monotonic()
    assert cli("replay", "eight-seconds.jsonl").returncode == 0
    slow = time.monotonic() - began
    began = time.monotonic()
    assert cli("replay", "eight-seconds.jsonl", "--speed", "20").returncode == 0
    fast = time.monotonic() - began

    assert slow > 8
    assert fast < slow - 1  # what the two starts differ by is less than what is saved
    delays = [
        record.timestamp - json.loads(record.value)["occurred_at"]
        for record in cli.topic("operations")
    ]
    assert delays == [0] * 10


def test_history_keeps_its_times_and_its_bytes(cli: Cli):
    text = (
        '{"id":"a","operation":"x", "occurred_at":"2026-01-02T03:04:05Z"'
        ',"success":true,"duration_ms":1}'
    )
    answer = cli("replay", "-", "--speed", "max", "--as-recorded", stdin=text + "\n")

    assert answer.returncode == 0
    (record,) = cli.topic("operations")
    assert (record.value.decode(), record.timestamp) == (text, 1_767_323_045_000)


def test_csv_columns_are_mapped_and_bad_lines_told(cli: Cli):
    (cli.folder / "jobs.csv").write_text(
        "when,op,site,ok,ms,cache,cache_evictions\n"
        f"{NOW_MS},parse,lever,yes,12.5,HIT,\n"
        f'{NOW_MS},parse,"work,day",no,7,,2\n'
        f"{NOW_MS},parse,lever,perhaps,7,,\n"
        f"{NOW_MS},parse,lever,no,-7,,\n"
    )
    mapping = ["when=occurred_at", "op=operation", "site=platform", "ok=success", "ms=duration_ms"]
    options = [word for one in mapping for word in ("--map", one)]

    answer = cli("replay", "jobs.csv", "--speed", "max", *options)

    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        'opwatch: line 4: success: should be a valid boolean, not "perhaps".',
        "opwatch: line 5: duration_ms: should be greater than or equal to 0, not -7.",
        "read 4 lines: published 2, left out 2",
    ]
    first, second = (Operation.model_validate_json(one.value) for one in cli.topic("operations"))
    assert (first.id, first.cache, first.success) == ("jobs.csv:2", "hit", True)
    assert (second.platform, second.duration_ms, second.cache_evictions) == ("work,day", 7.0, 2)
    assert cli("replay", "jobs.csv", "--speed", "max", "--skip-invalid", *options).returncode == 0


def test_a_pipe_is_published_while_it_is_still_open(cli: Cli):
    process = cli.start("replay", "-")
    assert process.stdin
    try:
        process.stdin.write(lines(operation(1), operation(2)))
        process.stdin.flush()
        give_up = time.monotonic() + 15
        while len(cli.topic("operations")) < 2 and time.monotonic() < give_up:
            time.sleep(0.2)
        assert len(cli.topic("operations")) == 2
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "read 2 lines: published 2, left out 0" in err
    assert "Traceback" not in err


def test_nothing_to_publish_is_said(cli: Cli):
    empty, absent = cli("replay", "-", stdin="\n"), cli("replay", "nowhere.jsonl")
    assert (empty.returncode, empty.stderr) == (1, "opwatch: there was nothing to publish.\n")
    assert absent.returncode == 2
    assert absent.stderr == "opwatch: cannot read nowhere.jsonl: no such file or directory.\n"
