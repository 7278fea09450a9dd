"""`opwatch report` on a real PostgreSQL: figures, formats, what is missing, and errors."""

import asyncio
import csv
import io
import json
import os
import subprocess
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from agents.cli.report import Name
from agents.report.catalogue import REPORTS
from tests import preloaded
from tests.history import some_operations, store, windows_of
from tests.integration.conftest import Measured

Report = Callable[..., "subprocess.CompletedProcess[str]"]
START, END = "2026-03-04T13:07", "2026-03-10T02:43"
RULES = """
rules:
  - {name: slow, kind: burn_rate, objective: 90, below: 200ms, each: platform}
  - {name: fails, kind: burn_rate, objective: 95, each: platform, match: 'platform=~"lev.*"'}
  - {name: unused, kind: burn_rate, objective: 99, each: platform, enabled: false}
"""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def reports(url: str, folder: Path, **environment: str) -> Report:
    others = {name: value for name, value in os.environ.items() if name != "METRICS_DATABASE_URL"}
    given_url = {"METRICS_DATABASE_URL": url} if url else {}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return preloaded.run(
            ["report", *arguments], environment=others | given_url | environment, folder=folder
        )

    return run


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


def test_alerts_are_reported_with_what_people_did(tmp_path: Path, history: str):
    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await put_alerts(connection)
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    span = ("--from", "2026-03-01", "--to", "2026-03-15", "--format", "json")
    alerts = rows_of(report("alerts", *span))
    assert [
        (row["rule"], row["time_to_acknowledge"], row["time_to_resolve"]) for row in alerts
    ] == [
        ("quiet", None, 60.0),
        ("slow", None, None),
        ("slow", 300.0, 1800.0),
    ]
    assert [row["messages"] for row in alerts] == [0, 1, 2]
    assert [row["rule"] for row in rows_of(report("ignored", *span))] == ["slow"]
    pages = rows_of(report("pages", *span))
    assert [
        (row["week"], row["pages"], row["alerts"], row["acknowledged"], row["nobody_acted"])
        for row in pages
    ] == [("2026-03-09", 1, 1, 0, 1), ("2026-03-02", 2, 1, 1, 0)]
    table = report("alerts", *span[:4])
    assert "time to acknowledge: median 5 min, mean 5 min" in table.stderr


async def put_alerts(connection: asyncpg.Connection) -> None:
    """Store an acknowledged alert, one that nobody acted on, and one that was not sent."""
    episodes = (
        ("slow", "2026-03-04T10:00", 30),
        ("slow", "2026-03-10T10:00", None),
        ("quiet", "2026-03-11T10:00", 1),
    )
    for number, (rule, opened, lasted_min) in enumerate(episodes):
        opened_at = moment(opened)
        resolved_at = None if lasted_min is None else opened_at + timedelta(minutes=lasted_min)
        await connection.execute(
            "INSERT INTO opwatch.alerts (id, revision, state, why, fingerprint, rule, kind, series,"
            " labels, severity, unit, samples, evidence, span_start_at, span_end_at, since_at,"
            " opened_at, resolved_at, confirmed, judged, stale, summary, exemplars, routing,"
            " rules_hash) VALUES ($1, 1, 'opened', 'violated', 'f', $2, 'burn_rate', '*', '{}',"
            " 'high', 'x', 9, '{}', $3, $3, $3, $3, $4, true, true, false, 'sentence', '[]', '{}',"
            " 'hash')",
            *(f"alert-{number}", rule, opened_at, resolved_at),
        )
        for message in range(2 - number):
            await connection.execute(
                "INSERT INTO opwatch.notifications (id, fingerprint, alert, rule, severity,"
                " channel, event, reason, sentence, delivery, decided_at, cause) VALUES"
                " ($1, 'f', $2, $3, 'high', 'slack', 'opened', 'sent', 's', $1, $4, '{}')",
                *(f"{number}-{message}", f"alert-{number}", rule, opened_at),
            )
    await connection.execute(
        "INSERT INTO opwatch.acknowledgements (alert, fingerprint, command, by, at, comment)"
        " VALUES ('alert-0', 'f', 'c', 'sam', $1, 'mine')",
        moment("2026-03-04T10:05"),
    )


def test_quality_and_calibration_are_reported_over_time(tmp_path: Path, history: str):
    async def fill() -> None:
        connection = await asyncpg.connect(history)
        for day, (mean, right) in enumerate([(0.9, 80), (0.8, 60)]):
            start = moment("2026-03-04T00:00") + timedelta(days=day)
            await connection.execute(
                "SELECT opwatch.make_partition('quality_windows', '24h', $1)", start
            )
            await connection.execute(
                "INSERT INTO opwatch.quality_windows (series, size, start_at, end_at, dimension,"
                " operation, revision, final, missing, count, mean, min, max, std_dev, p5, p50,"
                " good, acceptable, exemplars, actions, configurations, digest) VALUES"
                " ('overall:*', '24h', $1::timestamptz, $1 + interval '1 day', 'overall', '*', 1,"
                " true, 0, 100, $2, 0, 1, 0.1, 0.5, 0.9, $3, 90, '[]', '[]', '{}', '')",
                *(start, mean, right),
            )
            await connection.execute(
                "INSERT INTO opwatch.calibrations (service, operation, model, size, start_at,"
                " end_at, revision, final, count, right_count, accuracy, confidence, overall)"
                " VALUES ('s', 'o', 'm', '24h', $1::timestamptz, $1 + interval '1 day', 1, false,"
                " 100, $2::bigint, $2 / 100.0, '{\"expected_calibration_error\": 0.2}', '{}')",
                *(start, right),
            )
        await connection.close()

    run(fill())
    report = reports(history, tmp_path)
    span = ("--from", "2026-03-03", "--to", "2026-03-07", "--format", "json")
    latest, earlier = rows_of(report("quality", *span))
    assert (latest["mean"], latest["good_share"]) == (0.8, 60)
    assert latest["change"] == pytest.approx(-0.1)
    assert earlier["change"] is None
    latest, earlier = rows_of(report("calibration", *span))
    assert (latest["accuracy"], latest["confidence_error"]) == (60, 0.2)
    assert latest["change"] == pytest.approx(-20)


QUALITY_RULES = """
rules:
  - {name: good, kind: burn_rate, metric: quality_overall, objective: 90, each: platform}
  - {name: exact, kind: burn_rate, metric: quality_accuracy, objective: 80, each: model}
  - {name: fails, kind: burn_rate, objective: 95}
"""


def test_an_objective_of_quality_leaves_the_budget_computed_by_hand(tmp_path: Path, history: str):
    lever, model = {"platform": "lever"}, {"model": "m1"}
    windows = [
        quality_window("2026-02-20", 40, 10, **lever),  # of the month before
        quality_window("2026-03-04", 100, 95, **lever),
        quality_window("2026-03-05", 200, 170, **lever),
        quality_window("2026-03-05", 200, 1, **lever, dimension="accuracy"),  # of no rule
        quality_window("2026-03-05", 50, 40, **model, dimension="accuracy"),
    ]

    async def fill() -> None:
        connection = await asyncpg.connect(history)
        await store(connection, windows)
        await connection.close()

    run(fill())
    (tmp_path / "rules.yaml").write_text(QUALITY_RULES)
    arguments = ("slo", "--to", "2026-03-10", "--rules", "rules.yaml", "--months", "2")
    found = rows_of(reports(history, tmp_path)(*arguments, "--format", "json"))
    figures = ("operations", "bad", "compliance", "is_met", "budget_left")
    named = {
        (row["rule"], row["series"], row["period"]): [row[name] for name in figures]
        for row in found
    }
    good, exact = 'overall:*{platform="lever"}', 'accuracy:*{model="m1"}'
    # Of 340 results 34 may be bad and 65 are; of 300 in March 30 and 35; of 50, 10 and 10.
    assert named == {
        ("good", good, "30 days"): pytest.approx([340, 65, 100 * 275 / 340, False, -100 * 31 / 34]),
        ("good", good, "2026-03"): pytest.approx([300, 35, 100 * 265 / 300, False, -100 * 5 / 30]),
        ("good", good, "2026-02"): pytest.approx([40, 30, 25, False, -650]),
        ("exact", exact, "30 days"): [50, 10, 80, True, 0],
        ("exact", exact, "2026-03"): [50, 10, 80, True, 0],
    }


def quality_window(day: str, count: int, good: int, **series: str) -> bytes:
    """Return a final day of scores, as it stands on `aggregates`."""
    start_ms = int(moment(day).timestamp() * 1000)
    share = good / count
    return json.dumps(
        {
            "version": 1,
            "kind": "quality",
            "series": {"dimension": "overall", "operation": "*"} | series,
            "window": {"size": "24h", "start_ms": start_ms, "end_ms": start_ms + 86_400_000},
            "revision": count,
            "final": True,
            "count": count,
            **dict.fromkeys(("mean", "min", "max", "p5", "p50"), share),
            "std_dev": 0.0,
            "good": good,
            "acceptable": count,
            "below_good": 1 - share,
            "below_acceptable": 0.0,
            "trend": None,
            "exemplars": [],
            "findings": {"most_frequent": [], "other": 0, "unnamed": 0},
            "actions": [],
            "configurations": ["c1"],
            "digest": {"n": count, "centroids": [{"m": 100.0, "c": count}]},
        }
    ).encode()


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


def rows_of(done: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)
