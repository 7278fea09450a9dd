"""Names are unique or fatal, and a worker needs no folder that it may write to."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import ROOT, Running

READY_S = 120.0


Eventually = Callable[..., Any]


@pytest.mark.parametrize("role", ["measure", "alert"])
def test_two_workers_with_a_tmp_of_their_own_live_side_by_side(
    role: str, running: Running, eventually: Eventually, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        running.start(role, TMPDIR=str(tmp_path / name))
    eventually(lambda: running.is_ready(0) and running.is_ready(1), READY_S)
    joined = [running.log(number).count("assign") for number in (0, 1)]
    time.sleep(5)
    assert running.ended() == []
    assert [running.log(number).count("assign") for number in (0, 1)] == joined


@pytest.mark.parametrize("role", ["measure", "alert"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_of_two_workers_with_one_name_one_goes_on_and_the_other_says_why_it_ends(
    role: str, host: str, running: Running, eventually: Eventually, kafka: str
) -> None:
    """By another address of the broker neither sees the other's lock: Kafka tells them."""
    there = kafka.replace("127.0.0.1", host)
    running.start(role, OPWATCH_INSTANCE="twin")
    eventually(lambda: running.is_ready(0), READY_S)
    running.start(role, OPWATCH_INSTANCE="twin", OPWATCH_KAFKA_BOOTSTRAP=there)
    (ended,) = eventually(running.ended, READY_S)
    assert running.processes[ended].wait() == 1
    said = running.log(ended)
    assert "set OPWATCH_INSTANCE to a name that no other worker has" in said
    assert "Traceback" not in said
    other = 1 - ended
    eventually(lambda: running.is_ready(other), READY_S)
    time.sleep(5)
    assert running.ended() == [ended]


def test_a_session_timeout_that_the_broker_does_not_take_ends_the_worker(
    running: Running, eventually: Eventually
) -> None:
    running.start("measure", OPWATCH_SESSION_TIMEOUT_S="3")
    eventually(running.ended, READY_S)
    assert running.processes[0].wait() == 1
    said = running.log(0)
    assert "OPWATCH_SESSION_TIMEOUT_S is 3, and the brokers allow 6 to 1800" in said
    assert "Traceback" not in said


#: All is read-only in a mount namespace of its own.
READ_ONLY = """
mount -o remount,bind,ro / && for folder in /tmp /var/tmp /dev/shm; do
  mount --bind $folder $folder && mount -o remount,bind,ro $folder || exit 1
done
"""
#: Where there are no such namespaces, Python itself refuses to write.
REFUSES = """
import os, sys
def refuse(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
    if event == "os.mkdir" or writes:
        raise PermissionError(30, "Read-only file system")
sys.addaudithook(refuse)
"""


@pytest.mark.parametrize("role", ["measure", "alert"])
def test_a_worker_needs_no_folder_to_write_to(
    role: str, running: Running, eventually: Eventually, tmp_path: Path
) -> None:
    confined = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if shutil.which("unshare") and _works([*confined, f"{READ_ONLY} ! touch /tmp/x"]):
        running.start(role, *confined, f'{READ_ONLY} exec "$@"', "sh", HOME="/nowhere")
    else:
        (tmp_path / "sitecustomize.py").write_text(REFUSES)
        running.start(role, PYTHONPATH=f"{tmp_path}:{ROOT}")
    eventually(lambda: running.is_ready(0), READY_S)
    assert "Traceback" not in running.log(0)


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_worker_that_was_killed_has_its_partitions_again_at_once(
    running: Running, eventually: Eventually
) -> None:
    for number in (0, 1):
        running.start("alert", OPWATCH_SESSION_TIMEOUT_S="60")
        eventually(lambda number=number: running.is_ready(number), 40)
        running.processes[number].kill()
        running.processes[number].wait()
