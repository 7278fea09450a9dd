"""`opwatch report` on a real PostgreSQL: figures, formats, what is missing, and errors."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from agents.cli.report import Name
from agents.report.catalogue import REPORTS
from tests.history import some_operations, store, windows_of
from tests.integration.conftest import Measured
from tests.integration.reporting import Report, moment, reports, run

START, END = "2026-03-04T13:07", "2026-03-10T02:43"
RULES = """
rules:
  - {name: slow, kind: burn_rate, objective: 90, below: 200ms, each: platform}
  - {name: fails, kind: burn_rate, objective: 95, each: platform, match: 'platform=~"lev.*"'}
  - {name: unused, kind: burn_rate, objective: 99, each: platform, enabled: false}
"""


@pytest.fixture
def report(measured: Measured, tmp_path: Path) -> Report:
    return reports(measured.url, tmp_path)


def test_each_report_has_a_name_on_the_command_line():
    assert [name.value for name in Name] == list(REPORTS)


def test_figures_of_an_arbitrary_span_are_those_of_its_operations(
    report: Report, measured: Measured
):
    done = report("--from", START, "--to", END, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = {row["platform"]: row for row in map(json.loads, done.stdout.splitlines())}
    start, end = moment(START), moment(END)
    now, before = measured.during(start, end), measured.during(start - (end - start), start)
    for platform, series in (("(all)", "*"), ("lever", '*{platform="lever"}')):
        row, truth = rows[platform], now[series]
        assert row["operations"] == len(truth.time_ms)
        assert row["success_rate"] == pytest.approx(100 * (1 - truth.failed.mean()))
        exact = np.quantile(truth.duration_ms.astype(float), (0.5, 0.9, 0.95, 0.99))
        assert row["p95_ms"] == pytest.approx(exact[2], rel=0.005)
        assert [row["p50_ms"], row["p90_ms"]] == pytest.approx(exact[:2], rel=0.005)
        earlier = before[series]
        change = 100 * (earlier.failed.mean() - truth.failed.mean())
        assert row["success_rate_change"] == pytest.approx(change)
        assert row["hit_rate_before"] == pytest.approx(100 * earlier.hit.mean())


def test_the_report_and_sql_agree(report: Report, measured: Measured):
    done = report("--from", START, "--to", END, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))

    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(measured.url)
        found = await connection.fetch(
            "SELECT * FROM opwatch.by_platform($1, $2)", moment(START), moment(END)
        )
        await connection.close()
        return found

    by_name = {row["platform"] or "(all)": row for row in run(ask())}
    assert {row["platform"] for row in rows} == set(by_name)
    for row in rows:
        for column in ("success_rate", "p50_ms", "p95_ms", "p99_ms", "p95_ms_before", "hit_rate"):
            assert float(row[column]) == pytest.approx(by_name[row["platform"]][column], rel=1e-6)


def test_error_budgets_of_the_rule_file_are_reported_by_period(
    report: Report, measured: Measured, tmp_path: Path
):
    (tmp_path / "rules.yaml").write_text(RULES)
    done = report(
        *("slo", "--to", "2026-03-10T00:00", "--rules", "rules.yaml", "--format", "json"),
        *("--months", "2"),
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["rule"], row["series"]) for row in rows} == {
        ("slow", '*{platform="ashby"}'),
        ("slow", '*{platform="lever"}'),
        ("fails", '*{platform="lever"}'),
    }
    assert {row["period"] for row in rows} == {"30 days", "2026-03"}  # February had none
    end = moment("2026-03-10T00:00")
    truth = measured.during(end - timedelta(days=30), end)
    for row in rows:
        of_series = truth[row["series"]]
        total = len(of_series.time_ms)
        # Durations that were joined may stand on the other side of the bound.
        bad, allowed, joined = (
            ((of_series.duration_ms >= 200).sum(), 0.10, total * 0.001)
            if row["rule"] == "slow"
            else (of_series.failed.sum(), 0.05, 0)
        )
        assert row["bad"] == pytest.approx(bad, abs=joined)
        left = 100 * (1 - row["bad"] / total / allowed)
        assert row["budget_left"] == pytest.approx(left)
        assert row["is_met"] is (left >= 0)


def test_a_page_stands_alone_and_names_are_text(tmp_path: Path, history: str):
    hour = int(moment("2026-03-04T13:00").timestamp() * 1000)
    names = ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "_hidden $x$ 日本", "a\x1b[31mb"]
    parts = [
        some_operations("parse", name, (hour, hour + 120_000), 50, seed=seed)
        for seed, name in enumerate(names)
    ]

    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await store(connection, windows_of(parts))
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    span = ("--from", "2026-03-04T12:00", "--to", "2026-03-04T14:00")
    for file in ("out.html", "out.png", "out.csv", "out.json"):
        done = report(*span, "-o", file)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG\r\n")
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8")))
    assert "'" + names[1] in {row["platform"] for row in rows}  # no spreadsheet computes it
    lines = (tmp_path / "out.json").read_text("utf-8").splitlines()
    assert {json.loads(line)["platform"] for line in lines} == {"(all)", *names}
    table = report(*span)
    assert "\x1b" not in table.stdout
    assert "\\x1b[31mb" in table.stdout


def test_what_is_not_in_the_figures_is_said(tmp_path: Path, history: str):
    first = int(moment("2026-03-03T08:02").timestamp() * 1000)
    parts = [some_operations("parse", "lever", (first, first + 26 * 3_600_000), 300, minutes=60)]

    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await store(connection, windows_of(parts))
        await connection.close()

    async def prune() -> None:
        connection = await asyncpg.connect(history)
        await connection.execute("DELETE FROM opwatch.windows WHERE size IN ('1m', '5m')")
        await connection.execute("UPDATE opwatch.windows SET final = false WHERE size = '1h'")
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    done = report("--from", "2026-03-01", "--to", "2026-03-05")
    assert "note: the history begins at 2026-03-03 08:" in done.stderr
    assert "not stored any more" not in done.stderr
    run(prune())
    done = report("--from", "2026-03-03T09:30", "--to", "2026-03-04T09:30")
    notes = done.stderr
    assert "windows of 5m are not stored any more" in notes
    assert "2026-03-03 09:30 to 2026-03-03 10:00 UTC is missing" in notes
    assert "may change" in notes


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("", 2, "METRICS_DATABASE_URL is not set"),
        ("postgresql://127.0.0.1:1/none", 3, "the database cannot be reached"),
    ],
)
def test_without_a_database_a_sentence_says_so(tmp_path: Path, url: str, code: int, sentence: str):
    done = reports(url, tmp_path)()
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr


def test_without_tables_the_command_that_makes_them_is_named(tmp_path: Path, empty_database: str):
    done = reports(empty_database, tmp_path)()
    assert done.returncode == 1
    assert "opwatch db upgrade" in done.stderr


def test_an_empty_history_is_nothing_to_report(tmp_path: Path, history: str):
    done = reports(history, tmp_path)()
    assert done.returncode == 1
    assert "nothing to report" in done.stderr
    assert "does `opwatch worker store` run?" in done.stderr
