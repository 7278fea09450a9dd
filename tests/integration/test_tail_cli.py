"""`opwatch tail` shows the aggregates that stand on a real Kafka."""

import json
import signal
from typing import Any

import pytest

from tests.integration.command_line import Cli
from tests.unit.cli.samples import aggregate


def _aggregates(*many: Any) -> list[dict[str, Any]]:
    return [
        {"value": one.model_dump_json().encode(), "key": one.series.operation.encode()}
        for one in many
    ]


def test_tail_shows_the_newest_revision_once(cli: Cli):
    assert cli("tail", "--once").returncode == 1
    cli.publish(
        "aggregates",
        _aggregates(
            aggregate("parse_job_data", revision=7, count=7),
            aggregate("parse_job_data", revision=5, count=5),
            aggregate("parse_job_data", platform="lever", count=3),
            aggregate("*", count=1234),
        ),
    )
    cli.publish("aggregates", [{"value": None, "key": b"gone"}, {"value": b"{}", "key": b"odd"}])

    shown = cli("tail", "--once")

    assert shown.returncode == 0
    rows = [line.split() for line in shown.stdout.splitlines()[2:] if line.strip()]
    assert rows[0][:2] == ["all", "operations"]
    assert "1,234" in rows[0]
    assert "7" in rows[1]
    assert rows[2][0] == "lever"
    assert "\x1b" not in shown.stdout


def test_tail_hands_aggregates_on_as_they_stand(cli: Cli):
    records = _aggregates(
        aggregate("a", revision=1, count=1),
        aggregate("a", revision=2, count=2),
        aggregate("b", platform="lever"),
        aggregate("a", size="1h"),
    )
    cli.publish("aggregates", records)

    once = cli("tail", "--once", "--json", "--window", "1m", "--series", "a*")
    assert once.stdout.encode() == records[1]["value"] + b"\n"
    every = cli("tail", "--for", "2", "--json", "--from-beginning")
    assert sorted(every.stdout.encode().splitlines()) == sorted(one["value"] for one in records)
    only = cli("tail", "--once", "--json", "--series", '*{platform="lever"}')
    assert only.stdout.encode() == records[2]["value"] + b"\n"
    none = cli("tail", "--once", "--json", "--series", "zzz")
    assert (none.returncode, none.stdout) == (1, "")


def test_tail_ends_quietly_when_its_reader_leaves(cli: Cli):
    cli.publish("aggregates", _aggregates(*(aggregate(f"op{n}") for n in range(3000))))
    process = cli.start("tail", "--json", "--from-beginning")
    assert process.stdout
    assert process.stderr
    assert json.loads(process.stdout.readline())["kind"] == "operations"
    process.stdout.close()
    cli.publish("aggregates", _aggregates(*(aggregate(f"op{n}") for n in range(300))))
    try:
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_tail_cleanly(cli: Cli, number: signal.Signals, code: int):
    process = cli.start("tail", "--json", "--from-beginning")
    cli.publish("aggregates", _aggregates(aggregate("a")))
    assert process.stdout
    process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (code, "")
