"""A rule file that changes is read; one that is wrong changes nothing, and says so."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
import structlog

from agents.rule_file import load
from agents.rule_file.reload import RuleSource
from agents.runtime import metrics
from agents.runtime.settings import Settings

RULE = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 5, window: 5m}
"""


def _source(path: Path) -> RuleSource:
    return RuleSource(Settings(rule_file=str(path), _env_file=None))


def _write(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 10**9, before + 10**9))


async def _look(source: RuleSource) -> None:
    for _ in range(2):  # it must be the same twice: it might be half written
        source._looked_s = -10.0
        await source.look()


def test_no_file_where_none_was_asked_for_is_no_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with structlog.testing.capture_logs() as said:
        source = RuleSource(Settings(_env_file=None))
    assert source.loaded.rules.rules == []
    assert source.mistakes == []
    where = str(tmp_path / "config/opwatch.yaml")
    assert [(one["log_level"], one["path"]) for one in said] == [("warning", where)]


def test_a_file_that_was_asked_for_and_is_not_there_is_said(tmp_path: Path) -> None:
    source = _source(tmp_path / "missing.yaml")
    assert source.loaded.rules.rules == []
    assert "there is no rule file" in source.mistakes[0]


async def test_a_changed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)
    first = source.loaded.hash
    _write(path, RULE.replace("threshold: 5", "threshold: 6"))
    await _look(source)
    assert source.loaded.hash != first
    assert "threshold: 6" in source.text


async def test_a_wrong_file_keeps_the_rules_and_says_so_until_it_is_right(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)
    first = source.loaded.hash
    _write(path, RULE.replace("error_rate", "eror_rate"))
    await _look(source)
    assert source.loaded.hash == first
    assert source.mistakes
    assert metrics.rules_reload_failed._value.get() == 1
    _write(path, RULE)
    await _look(source)
    assert source.mistakes == []
    assert metrics.rules_reload_failed._value.get() == 0


async def test_a_deleted_file_keeps_the_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)
    path.unlink()
    await _look(source)
    assert len(source.loaded.rules.rules) == 1
    assert source.mistakes


async def test_sighup_reads_a_file_that_does_not_seem_to_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)
    stamp = path.stat().st_mtime_ns
    path.write_text(RULE.replace("threshold: 5", "threshold: 7"))
    os.utime(path, ns=(stamp, stamp))
    await _look(source)
    assert "threshold: 5" in source.text
    source.ask()
    await source.look()
    assert "threshold: 7" in source.text


async def test_a_file_that_ends_in_an_unexpected_exception_is_refused(
    tmp_path, monkeypatch
) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)

    def fails(*_: object) -> None:
        raise OverflowError

    monkeypatch.setattr("agents.rule_file.reload.parse", fails)
    _write(path, RULE.replace("threshold: 5", "threshold: 7"))
    await _look(source)
    assert source.mistakes == [f"cannot read the rule file {path}: OverflowError."]
    assert "threshold: 5" in source.text


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "loop", "large"])
async def test_what_is_no_file_or_has_no_end_keeps_the_rules_and_says_so(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULE)
    source = _source(path)
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.write_text("#" * 20_000_000)
    await _look(source)
    assert len(source.loaded.rules.rules) == 1
    (sentence,) = source.mistakes
    assert str(path) in sentence


async def test_the_loop_goes_on_while_a_file_is_read_and_checked(tmp_path, monkeypatch) -> None:
    path = tmp_path / "rules.yaml"
    _write(path, RULE)
    source = _source(path)
    began, may_end = threading.Event(), threading.Event()

    def slow(*args: object) -> object:
        began.set()
        assert may_end.wait(60)  # only the loop lets it go on
        return load.parse(*args)

    monkeypatch.setattr("agents.rule_file.reload.parse", slow)
    _write(path, RULE.replace("threshold: 5", "threshold: 7"))
    looking = asyncio.ensure_future(_look(source))
    await asyncio.to_thread(began.wait, 60)
    assert "threshold: 5" in source.text
    may_end.set()
    await looking
    assert "threshold: 7" in source.text
