"""`opwatch db` on a real PostgreSQL: make, check, prune and open the history."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from agents.cli.db import without_password
from agents.runtime.database_settings import retention_ms
from agents.runtime.settings import Settings
from tests import preloaded

Db = Callable[..., "subprocess.CompletedProcess[str]"]
NOW = datetime.now(UTC)


def commands(url: str, folder: Path, **environment: str) -> Db:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return preloaded.run(
            ["db", *arguments],
            environment=os.environ | {"METRICS_DATABASE_URL": url} | environment,
            folder=folder,
        )

    return run


def sql(url: str, *statements: str) -> Any:
    """Run statements; return what the last one finds."""

    async def work() -> Any:
        connection = await asyncpg.connect(url)
        try:
            found = None
            for statement in statements:
                found = await connection.fetch(statement)
            return found
        finally:
            await connection.close()

    return asyncio.run(work())


def test_upgrade_makes_the_tables_and_says_what_it_did(tmp_path: Path, empty_database: str):
    db = commands(empty_database, tmp_path)
    before = db("check")
    assert before.returncode == 1
    assert "`opwatch db upgrade`" in before.stderr
    done = db("upgrade")
    assert done.returncode == 0, done.stderr
    assert "(from nothing)" in done.stdout
    assert "(was there already)" in db("upgrade").stdout
    after = db("check")
    assert after.returncode == 0, after.stderr
    assert "reads and writes" in after.stdout


def test_tables_of_a_newer_version_are_left_alone(tmp_path: Path, history: str):
    sql(history, "UPDATE opwatch.alembic_version SET version_num = '9999'")
    db = commands(history, tmp_path)
    assert db("check").returncode == 1
    done = db("upgrade")
    assert done.returncode == 1
    assert "of another version than this program" in done.stderr


def test_check_warns_of_another_table_of_the_specified_name(tmp_path: Path, history: str):
    sql(history, "CREATE TABLE public.performance_metrics (id integer)")
    done = commands(history, tmp_path)("check")
    assert done.returncode == 0
    assert "public.performance_metrics is another table of that name" in done.stderr
    assert "may drop or change tables that it does not know" in done.stderr


def test_check_says_what_a_reader_may(tmp_path: Path, history: str):
    name = f"reader_{history.rpartition('_')[2]}_{os.getpid()}"
    sql(history, f"CREATE ROLE {name} LOGIN")
    reader = history.replace("opwatch@", f"{name}@")
    try:
        done = commands(reader, tmp_path)("check")
        assert done.returncode == 1
        assert "opwatch" in done.stderr
        sql(
            history,
            f"GRANT USAGE ON SCHEMA opwatch TO {name}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA opwatch TO {name}",
        )
        done = commands(reader, tmp_path)("check")
        assert done.returncode == 0, done.stderr
        assert "reads and writes" not in done.stdout
        found = sql(reader, "SELECT * FROM opwatch.by_platform(now() - interval '1 day', now())")
        assert found == []
    finally:
        sql(history, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def partitions(url: str) -> set[str]:
    return {
        row["relname"]
        for row in sql(url, "SELECT relname FROM pg_class WHERE relname ~ '^windows_1m_[0-9]+$'")
    }


def put_old_rows(url: str) -> None:
    ages = (50, 40, 30, 1)
    sql(
        url,
        *(
            f"SELECT opwatch.make_partition('windows', '1m', '{NOW - timedelta(days=days)}')"
            for days in ages
        ),
        *(
            "INSERT INTO opwatch.performance_metrics (metric_type, metric_value,"
            f" measurement_window, measured_at) VALUES ('uptime', 1, '1h', '{at}')"
            for days in (500, 400.5, 399)
            for at in [(NOW - timedelta(days=days)).replace(tzinfo=None)]
        ),
    )


def test_prune_removes_what_is_older_than_it_is_kept_and_nothing_else(tmp_path: Path, history: str):
    put_old_rows(history)
    db = commands(history, tmp_path)
    before = partitions(history)
    rehearsed = db("prune", "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert partitions(history) == before
    done = db("prune")
    assert done.returncode == 0, done.stderr
    names = {f"windows_1m_{NOW - timedelta(days=days):%Y%m%d}" for days in (30, 1)}
    assert partitions(history) == names
    assert "2 rows" in done.stdout
    assert len(sql(history, "TABLE opwatch.performance_metrics")) == 1
    assert "nothing is older" in db("prune").stdout


def test_a_partition_that_somebody_reads_goes_the_next_time(tmp_path: Path, history: str):
    put_old_rows(history)
    old = f"windows_1m_{NOW - timedelta(days=50):%Y%m%d}"

    async def read_meanwhile() -> "subprocess.CompletedProcess[str]":
        reader = await asyncpg.connect(history)
        await reader.execute("BEGIN")
        await reader.execute("SELECT count(*) FROM opwatch.windows")
        done = await asyncio.to_thread(commands(history, tmp_path), "prune")
        await reader.execute("COMMIT")
        await reader.close()
        return done

    done = run(read_meanwhile())
    assert done.returncode == 0, done.stderr
    assert "not yet: somebody reads it" in done.stdout
    assert old in partitions(history)
    done = commands(history, tmp_path)("prune")
    assert done.returncode == 0, done.stderr
    assert old not in partitions(history)


def test_psql_opens_the_schema_and_no_password_is_an_argument(tmp_path: Path, history: str):
    program = tmp_path / "psql"
    program.write_text('#!/bin/sh\necho "arguments: $@"; echo "$PGPASSWORD $PGOPTIONS"\n')
    program.chmod(0o755)
    url = history.replace("opwatch@", "opwatch:s%23cret@")
    db = commands(url, tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}")
    done = db("psql", "-c", "SELECT 1", "-h", "x")
    arguments, environment = done.stdout.splitlines()
    assert "cret" not in arguments
    assert arguments.endswith("-c SELECT 1 -h x")
    assert environment == "s#cret -c search_path=opwatch,public -c timezone=UTC"


def test_without_psql_a_sentence_says_so(tmp_path: Path, history: str):
    done = commands(history, tmp_path, PATH=str(tmp_path))("psql")
    assert done.returncode == 1
    assert "psql is not installed" in done.stderr


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("postgresql://u:p@h/d", "postgresql://u@h/d", "p"),
        ("postgresql://u@h1,h2:5433/d?sslmode=require", None, None),
        (
            "postgresql://h/d?password=p%26&application_name=x",
            "postgresql://h/d?application_name=x",
            "p&",
        ),
        ("postgresql:///d", None, None),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, bare: str | None, password: str | None):
    assert without_password(url) == (bare or url, password)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2m=1d", "what can be named is 1m, 5m"),
        ("1m", "is not such as 1m=35d"),
        ("1m=3", "is no span"),
        ("1m=30d 5m=20d", "windows of 5m are needed as long as those of 1m: 30d"),
        ("5m=20d", "windows of 5m are needed as long as those of 1m: for ever"),
    ],
)
def test_a_wrong_retention_says_what_to_write(text: str, why: str):
    with pytest.raises(ValueError, match=why):
        retention_ms(text)


def test_reports_over_a_month_have_their_minutes_by_default():
    text = Settings.model_fields["db_retention"].default
    assert retention_ms(text)["1m"] > timedelta(days=31) / timedelta(milliseconds=1)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)
