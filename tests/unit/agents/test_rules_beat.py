"""The rules' beat: what is no use is counted, Kafka's absence is no silence, nothing is lost."""

from pathlib import Path

import pytest

from agents.runtime import metrics
from tests.unit.agents.rules_world import Worker
from tests.unit.streams.rules.worlds import operations

RULES = """
version: 1
rules:
  - {name: errors, kind: metric_threshold, metric: error_rate, operator: greater_than,
     threshold: 5, window: 1m}
"""


async def test_what_rules_cannot_use_is_counted_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "rules.yaml", RULES, monkeypatch)
    before = metrics.aggregates_refused._value.get()
    await worker.reads(b"{}", b"", operations(5_256_000, 10), operations(0, 10, 9))
    assert metrics.aggregates_refused._value.get() == before + 2
    assert [one.rule for one in worker.breaches] == ["errors"]


async def test_a_worker_that_starts_with_a_wrong_file_resolves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    before = Worker(path, RULES, monkeypatch)
    await before.reads(operations(0, 10, 9))
    await before.beats(20)
    again = Worker(path, RULES.replace("5", "lots"), monkeypatch)
    again.rows, again.end = before.rows, before.end
    assert again.beat.source.mistakes
    await again.reads(operations(0, 20, 18))
    await again.beats(20)
    path.write_text(RULES)
    again.beat.source.ask()
    await again.beats(20)
    assert not again.beat.source.mistakes
    assert [one.state for one in before.breaches + again.breaches] == ["opened"]


SILENT = """
version: 1
rules:
  - {name: silent, kind: no_data, after: 5m}
"""


async def test_while_kafka_is_away_nothing_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "rules.yaml", SILENT, monkeypatch)
    for _ in range(3):
        await worker.reads(operations(worker.minute, 10))
        await worker.beats(60)
    gone = worker.minute
    await worker.beats(15 * 60, away=True)
    await worker.beats(10)
    await worker.reads(*(operations(minute, 10) for minute in range(gone, worker.minute)))
    await worker.beats(60)
    assert worker.breaches == []
    await worker.beats(10 * 60)
    assert [one.state for one in worker.breaches] == ["opened"]


async def test_a_reload_says_what_is_owed_before_it_writes_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "rules.yaml", SILENT.replace("5m", "3m"), monkeypatch)
    await worker.reads(operations(worker.minute, 10))
    ((_, partition),) = worker.beat._partitions.items()
    while not partition.evaluator._pending:
        await worker.beats(1)
        assert worker.minute < 10
    worker.path.write_text(
        SILENT.replace("5m", "3m") + "  - {name: also, kind: burn_rate, objective: 99}\n"
    )
    worker.beat.source.ask()
    worker.log.clear()
    await worker.beats(2)
    assert [one.state for one in worker.breaches] == ["opened"]
    keys = [one.key for one in worker.log]
    opened = next(at for at, one in enumerate(worker.log) if one.topic == worker.breaches_topic)
    assert b"operations/*" in keys
    assert b"operations/*" not in keys[:opened]


FIRST = "version: 1\n"


async def fired(path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker(path, RULES, monkeypatch)
    await worker.reads(operations(0, 10, 9))
    await worker.beats(20)
    return worker


@pytest.mark.parametrize("text", ["", FIRST, "version: 1\nrules: []\n", "rules: 5\n", "\x00", None])
@pytest.mark.parametrize("restarts", [True, False])
async def test_rules_that_are_absent_empty_or_wrong_end_nothing(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarts: bool
) -> None:
    path = tmp_path / "rules.yaml"
    worker = await fired(path, monkeypatch)
    rows, log, end = worker.rows, worker.log, worker.end
    if restarts:
        worker = Worker(path, text or "", monkeypatch, absent=text is None)
        worker.rows, worker.log, worker.end = rows, log, end
    elif text is None:
        path.unlink()
    else:
        path.write_text(text)
    worker.beat.source.ask()
    await worker.reads(operations(0, 20, 18))
    await worker.beats(30)
    assert [one.state for one in worker.breaches] == ["opened"]
    (said,) = worker.beat.remarks()
    assert "the rules before it stand" in said
    await worker.reads(operations(1, 20, 0), operations(2, 20, 0))
    assert [one.why for one in worker.breaches][-1] == "condition_gone"


async def test_where_there_never_were_rules_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path / "rules.yaml", "", monkeypatch, absent=True)
    await worker.reads(operations(0, 10, 9))
    await worker.beats(5)
    (said,) = worker.beat.remarks()
    assert said.startswith("no rules are in effect, and 0 alerts stay open: there is no rule file")
    worker.path.write_text(RULES)
    await worker.beats(5)
    assert worker.beat.remarks() == []
    await worker.reads(operations(1, 10, 9))
    assert [one.state for one in worker.breaches] == ["opened"]


async def test_a_rule_that_is_removed_from_others_ends_what_it_had_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    worker = await fired(path, monkeypatch)
    path.write_text(RULES.replace("errors", "other"))
    worker.beat.source.ask()
    await worker.beats(5)
    assert [one.why for one in worker.breaches if one.rule == "errors"][-1] == "rule_removed"
