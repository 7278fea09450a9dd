"""Every window, 1m to 7d, equals an oracle's, whatever is killed meanwhile."""

from pathlib import Path

import pytest

from stack.kafka import LocalKafka
from tests.acceptance.torture import FAILPOINTS, Run
from tests.ports import lasting_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


def test_windows_are_exact_under_kills_pauses_joins_failpoints_and_a_broker_restart(
    tmp_path: Path,
) -> None:
    actions = ["kill", "stop", *(f"failpoint {place}" for place in FAILPOINTS)]
    actions += ["broker", "term", "join"]
    with LocalKafka(tmp_path / "kafka", port=lasting_port()) as kafka:
        result = Run(kafka, 11, tmp_path, events=8_000).run(actions)
    assert result["wrong"] == []
    assert result["operations"] == 8_000
    assert result["failpoints reached"] >= 1  # a busy machine reaches few in time
