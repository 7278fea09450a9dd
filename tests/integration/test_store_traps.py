"""What other sinks fell into: each value is stored as well as it can be, flagged, beside others."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from faust.types import TP

from agents.store.batch import Batch, Source
from agents.store.session import Logs, Session
from schemas.dead_letters import DeadLetter, to_headers
from streams.history.aggregates import Unreadable, entries_of_aggregate
from streams.history.records import (
    entries_of_breach,
    entries_of_dead_letter,
    entries_of_label,
    entries_of_notification,
)
from streams.history.tables import Entry
from tests.databases import settings_of
from tests.history_records import START_MS, breach, changed, window
from tests.integration.stored_rows import rows
from tests.integration.test_migrations import SPECIFIED, connected

TOPIC = TP("t.aggregates", 0)
LOGS = Logs({"t.aggregates": "an-id"}, {})
PAGE = "'); DROP TABLE opwatch.windows; --"


async def store(url: str, *entries: list[Entry], begin: int = 0, **settings: Any) -> int:
    """Write the entries of records as the role does; return how many were known."""
    batch = Batch()
    for offset, of_record in enumerate(entries, begin):
        batch.add(Source(TOPIC, SimpleNamespace(offset=offset, value=b"")), of_record)
    batch.reach(TOPIC, begin + len(entries))
    session = Session(settings_of(url, **settings))
    try:
        return await session.write(batch.gathered(), batch.offsets, LOGS)
    finally:
        session.drop()


def test_nul_and_surrogates_are_replaced_and_names_stay_distinct(history: str):
    async def check() -> None:
        nul = changed(window("plain"), series__operation="a\x00b", series__platform="x\x00")
        other = changed(window("plain"), series__operation="a\x00\x00b", series__platform="x\x00")
        exemplar = [{"id": "\x00", "success": False, "duration_ms": 1.0, "error_type": "\x00"}]
        nul = changed(nul, exemplars=exemplar)
        beside = window("beside")
        await store(history, *(entries_of_aggregate(each[1]) for each in (nul, other, beside)))
        found = await rows(history, "SELECT * FROM opwatch.windows ORDER BY operation")
        assert len(found) == 3
        assert {row["operation"] for row in found} > {"beside"}
        flagged = [row for row in found if row["operation"] != "beside"]
        assert all("operation_cleaned" in row["flags"] for row in flagged)
        assert any("exemplars_cleaned" in row["flags"] for row in flagged)
        label = {"input_hash": "h", "truth": "\x00", "at": START_MS}
        await store(history, entries_of_label(json.dumps(label).encode()), begin=3)
        stored = (await rows(history, "SELECT truth, flags FROM opwatch.labels"))[0]
        assert json.loads(stored["truth"]) == "�"
        assert stored["flags"] == ["truth_cleaned"]

    asyncio.run(check())


def test_a_lone_surrogate_is_no_json_that_anybody_reads():
    hostile = window("plain")[1].replace(b'"plain"', b'"\\ud800"')
    with pytest.raises(Unreadable):
        entries_of_aggregate(hostile)


def test_raw_bytes_of_dead_letters_are_kept_as_they_are(history: str):
    raw = bytes(range(256)) * 4
    letter = DeadLetter(
        reason="invalid_json",
        detail=PAGE + "\x00",
        topic="t.operations",
        partition=0,
        offset=2**63 - 1,
        index=2**40,
        timestamp_ms=10**17,
        size_bytes=len(raw),
        sha256="0" * 64,
    )
    asyncio.run(store(history, entries_of_dead_letter(raw, to_headers(letter))))
    found = asyncio.run(rows(history, "SELECT * FROM opwatch.dead_letters"))[0]
    assert found["value"] == raw
    assert set(found["flags"]) == {"detail_cleaned", "index_clamped", "refused_at_clamped"}


def test_a_value_beyond_decimal_is_clamped_and_flagged(history: str):
    slow = changed(window("slow", durations=(10.0,) * 3), duration_ms__p95=1e10, count=2**63)
    asyncio.run(store(history, entries_of_aggregate(slow[1]), entries_of_aggregate(window()[1])))
    found = asyncio.run(
        rows(
            history,
            "SELECT metric_value, additional_data FROM opwatch.performance_metrics"
            " WHERE metric_type = 'response_time_p95' ORDER BY metric_value DESC",
        )
    )
    assert [row["metric_value"] for row in found] == [Decimal("999999.9999"), Decimal(29)]
    data = json.loads(found[0]["additional_data"])
    assert data["flags"] == ["value_clamped"]
    assert data["value"] == 1e10
    counts = asyncio.run(rows(history, "SELECT count, flags FROM opwatch.windows ORDER BY count"))
    assert counts[-1] == {"count": 2**63 - 1, "flags": ["count_clamped"]}


def test_a_platform_of_ten_thousand_characters_is_cut_and_stays_distinct(history: str):
    async def check() -> None:
        long = [changed(window(), series__platform="ä" * 10_000 + end) for end in "ab"]
        await store(history, *(entries_of_aggregate(each[1]) for each in long))
        found = await rows(history, "SELECT series, platform, flags FROM opwatch.windows")
        assert len({row["platform"] for row in found}) == 2
        assert all(len(row["platform"]) == 200 for row in found)
        assert all(row["flags"] == ["series_cut", "platform_cut"] for row in found)
        figures = await rows(
            history,
            "SELECT platform, additional_data FROM opwatch.performance_metrics"
            " WHERE metric_type = 'throughput'",
        )
        assert len({row["platform"] for row in figures}) == 2
        assert all(len(row["platform"]) == 50 for row in figures)
        assert {json.loads(row["additional_data"])["platform"][-1] for row in figures} == {"a", "b"}

    asyncio.run(check())


def test_of_duplicate_keys_in_a_batch_the_larger_revision_stands(history: str):
    async def check() -> None:
        revisions = [window(durations=(10.0,) * count) for count in (3, 9, 5)]
        await store(history, *(entries_of_aggregate(each[1]) for each in revisions))
        assert await rows(history, REVISIONS) == [{"revision": 9, "final": True}]
        older = window(durations=(10.0,) * 8)
        await store(history, entries_of_aggregate(older[1]), begin=3)
        provisional = window(durations=(10.0,) * 9, final=False)
        await store(history, entries_of_aggregate(provisional[1]), begin=4)
        assert await rows(history, REVISIONS) == [{"revision": 9, "final": True}]
        late = window(durations=(10.0,) * 10)
        await store(history, entries_of_aggregate(late[1]), begin=5)
        assert await rows(history, REVISIONS) == [{"revision": 10, "final": True}]
        figure = (
            "SELECT metric_value FROM opwatch.performance_metrics WHERE metric_type = 'throughput'"
        )
        assert await rows(history, figure) == [{"metric_value": Decimal("0.0028")}]

    asyncio.run(check())


REVISIONS = "SELECT revision, final FROM opwatch.windows"


def test_what_the_database_has_already_is_not_written_again(history: str):
    async def check() -> None:
        entries = [entries_of_aggregate(window(f"op{n}")[1]) for n in range(3)]
        assert await store(history, *entries) == 0
        assert await store(history, *entries) == sum(map(len, entries))
        offsets = await rows(history, "SELECT next_offset FROM opwatch.consumed_offsets")
        assert offsets == [{"next_offset": 3}]

    asyncio.run(check())


def test_times_are_utc_whatever_zone_the_server_has(history: str):
    async def check() -> None:
        name = history.rpartition("/")[2]
        async with connected(history) as connection:
            await connection.execute(f"ALTER DATABASE {name} SET timezone = 'America/New_York'")
        day = window("parse", "24h", START_MS)
        await store(history, entries_of_aggregate(day[1]))
        found = (await rows(history, "SELECT start_at, end_at FROM opwatch.windows"))[0]
        assert found["start_at"] == datetime(2026, 3, 2, tzinfo=UTC)
        measured = await rows(
            history, "SELECT DISTINCT measured_at FROM opwatch.performance_metrics"
        )
        assert measured == [{"measured_at": datetime(2026, 3, 3)}]  # noqa: DTZ001 - as specified
        partition = "SELECT tableoid::regclass::text AS name FROM opwatch.windows"
        assert (await rows(history, partition))[0]["name"].endswith("windows_24h_20200101")

    asyncio.run(check())


def test_ids_that_are_sql_are_only_ids(history: str):
    async def check() -> None:
        hostile = changed(window(), series__operation=PAGE, series__platform=PAGE)
        decision = {
            "id": PAGE,
            "fingerprint": PAGE,
            "breach_id": PAGE,
            "rule": None,
            "series": None,
            "severity": None,
            "channel": PAGE,
            "event": None,
            "reason": "sent",
            "sentence": PAGE,
            "now_ms": START_MS,
            "cause": {"kind": "tick"},
        }
        await store(
            history,
            entries_of_aggregate(hostile[1]),
            entries_of_breach(json.dumps(breach(PAGE, rule=PAGE)).encode()),
            entries_of_notification(json.dumps(decision).encode()),
        )
        assert (await rows(history, "SELECT operation FROM opwatch.windows"))[0] == {
            "operation": PAGE
        }
        assert (await rows(history, "SELECT id FROM opwatch.notifications"))[0] == {"id": PAGE}

    asyncio.run(check())


def test_the_table_of_the_specification_itself_is_written_unchanged(empty_database: str):
    from agents.database import migrate

    async def check() -> None:
        chosen = settings_of(empty_database, db_schema="public")
        async with connected(empty_database) as connection:
            await connection.execute(SPECIFIED)
        await migrate.upgrade(chosen)
        await store(empty_database, entries_of_aggregate(window()[1]), db_schema="public")
        found = await rows(
            empty_database, "SELECT metric_type, metric_value FROM performance_metrics ORDER BY 1"
        )
        assert {row["metric_type"]: float(row["metric_value"]) for row in found} == {
            "cache_average_ttl": 60,
            "cache_eviction_rate": pytest.approx(33.3333),
            "cache_hit_rate": pytest.approx(33.3333),
            "cache_miss_rate": pytest.approx(66.6667),
            "error_rate": pytest.approx(33.3333),
            "response_time": 20,
            "response_time_p50": 20,
            "response_time_p95": 29,
            "response_time_p99": pytest.approx(29.8),
            "success_rate": pytest.approx(66.6667),
            "throughput": pytest.approx(0.0008),
        }

    asyncio.run(check())


def test_without_prepared_statements_all_works_as_behind_pgbouncer(history: str):
    entries = [entries_of_aggregate(window(f"op{n}")[1]) for n in range(3)]
    asyncio.run(store(history, *entries, db_prepared_statements=False))
    assert len(asyncio.run(rows(history, "SELECT 1 FROM opwatch.windows"))) == 3


async def test_a_row_that_no_table_takes_is_refused_alone(history: str):
    async with connected(history) as connection:
        await connection.execute(
            "ALTER TABLE opwatch.windows ADD CHECK (operation <> 'unlucky') NOT VALID"
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await store(history, entries_of_aggregate(window("unlucky")[1]))
