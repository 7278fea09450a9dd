"""A command that a preloaded server forks is a process as any other."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests import preloaded

ROOT = Path(__file__).parents[2]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")}


def start(folder: Path, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    return preloaded.start(arguments, PLAIN | environment, folder, folder / "log")


def test_it_ends_with_its_exit_code_and_has_its_own_log(tmp_path: Path):
    assert start(tmp_path, "--version").wait(60) == 0
    assert start(tmp_path, "--version").wait(60) == 0
    first, second = (tmp_path / "log").read_text().splitlines()
    assert first == second
    assert first.startswith("opwatch ")
    assert start(tmp_path, "worker", "measure", OPWATCH_PARTITIONS="none").wait(60) == 2


def test_it_is_paused_and_killed_as_any_other(tmp_path: Path):
    os.mkfifo(tmp_path / "rules.yaml")  # whoever reads it waits
    process = start(tmp_path, "rules", "check", "rules.yaml")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
    process.terminate()  # nobody is there any more


def test_a_path_of_its_own_holds_for_its_interpreter(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("print('on the path')")
    assert start(tmp_path, "--version", PYTHONPATH=f"{tmp_path}:{ROOT}").wait(60) == 0
    assert (tmp_path / "log").read_text().startswith("on the path\n")
