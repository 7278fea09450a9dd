"""A worker's name is no other process's, wherever the other one lives, and needs no folder."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from agents.runtime import worker_name
from agents.runtime.refusals import Refusal
from agents.runtime.settings import Settings

CLAIM = """
import sys
from agents.runtime.worker_name import claim
from agents.runtime.settings import Settings
print(claim(Settings(_env_file=None, topic_prefix=sys.argv[1]), sys.argv[2]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def prefix() -> str:
    """Return a prefix of no other run on this machine, whose processes share its names."""
    return f"{uuid.uuid4().hex}."


def settings(**fields: str) -> Settings:
    return Settings(_env_file=None, **fields)


def elsewhere(folder: Path, prefix: str, role: str = "measure") -> "subprocess.Popen[str]":
    """Claim a name in another process, with a /tmp of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, prefix, role],
        env={"TMPDIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[3])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def name_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_workers_with_a_tmp_of_their_own_have_two_names(tmp_path: Path, prefix: str) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    workers = [elsewhere(folder, prefix) for folder in folders]
    names = [name_of(worker) for worker in workers]
    for worker in workers:
        worker.communicate()
    assert len(set(names)) == 2
    assert "" not in names


def test_a_killed_worker_has_its_name_again(tmp_path: Path, prefix: str) -> None:
    first = elsewhere(tmp_path, prefix)
    name = name_of(first)
    first.kill()
    first.communicate()
    second = elsewhere(tmp_path, prefix)
    assert name_of(second) == name
    second.communicate()


def test_no_folder_is_needed(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: 1 / 0)
    names = {worker_name.claim(settings(topic_prefix=prefix), "alert") for _ in range(3)}
    assert len(names) == 3


@pytest.mark.parametrize("lacking", ["_network", "_lock"])
def test_where_the_system_has_no_locks_each_name_is_new(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_name, lacking, lambda *_: None)
    assert worker_name.claim(settings(), "measure") != worker_name.claim(settings(), "measure")


def test_a_name_that_a_worker_here_has_is_refused(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_name, "PATIENCE_S", 0.2)
    mine = settings(topic_prefix=prefix, instance="a")
    assert worker_name.claim(mine, "measure") == "a"
    assert worker_name.claim(mine, "alert") == "a", "another role is another group"
    with pytest.raises(Refusal, match="set OPWATCH_INSTANCE to a name that no other worker has"):
        worker_name.claim(mine, "measure")
