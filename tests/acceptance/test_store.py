"""Whatever happens to the database or to `store`: its rows are the topics' latest revisions."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.acceptance.alert_scene import Receivers, until
from tests.acceptance.alert_scene import breach as alert_breach
from tests.acceptance.cluster import Workers
from tests.acceptance.small_disk import small_disk
from tests.acceptance.store_scene import StoreScene, store_scene
from tests.history_records import window

pytestmark = pytest.mark.acceptance

MANY, FEW = 400, 100


@pytest.fixture
def scene(kafka: str, prefix: str, tmp_path: Path) -> Iterator[StoreScene]:
    with store_scene(kafka, prefix, tmp_path) as found:
        yield found


def test_rows_are_the_latest_revisions_when_store_is_killed_in_a_transaction(scene: StoreScene):
    scene.publish(MANY)
    for failpoint in ("store_before_transaction_ends", "store_after_transaction"):
        scene.workers.start("s0", f"{failpoint}:2")
        ends_by_itself(scene, "s0")
        scene.publish(FEW)
    scene.workers.start("s0")
    scene.catches_up()


def test_rows_are_the_latest_revisions_when_postgresql_is_killed_and_store_with_it(
    scene: StoreScene,
):
    scene.workers.start("s0")
    scene.publish(MANY)
    wait_for_rows(scene)
    for both in (False, True):
        scene.publish(FEW)
        scene.postgres.kill()
        if both:
            scene.workers.kill("s0")
        scene.publish(FEW)
        scene.postgres.start()
    scene.catches_up()


def test_a_connection_that_is_cut_or_hangs_ends_and_all_is_written(scene: StoreScene):
    scene.workers.start("s0")
    scene.publish(MANY)
    wait_for_rows(scene)
    for _ in range(3):
        scene.publish(FEW)
        scene.proxy.cuts()
    scene.proxy.hangs()
    scene.publish(FEW)
    time.sleep(9)  # longer than its deadline: it drops the connection, and waits for another
    assert scene.workers.is_running("s0")
    scene.proxy.passes()
    scene.catches_up()


def test_a_lock_is_waited_for_and_store_is_not_ended_for_it(scene: StoreScene):
    scene.workers.start("s0")
    scene.publish(MANY)
    wait_for_rows(scene)

    async def lock() -> None:
        connection = await asyncpg.connect(scene.url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE opwatch.windows IN ACCESS EXCLUSIVE MODE")
            await asyncio.to_thread(scene.publish, FEW)
            await asyncio.sleep(6)
        await connection.close()

    asyncio.run(lock())
    assert scene.workers.is_running("s0")
    scene.catches_up()


def test_a_full_disk_is_waited_for(scene: StoreScene, tmp_path: Path):
    with small_disk(scene, tmp_path):
        scene.workers.start("s0")
        scene.publish(MANY)
        wait_for_log(tmp_path, "53100")
        assert scene.query("SELECT count(*) FROM opwatch.performance_metrics")[0][0] == 0
        scene.execute("DROP TABLE filler")
        scene.catches_up()
        letters = scene.query("SELECT count(*) FROM opwatch.dead_letters")
        assert letters[0][0] == 0
        scene.workers.close()


def test_a_server_that_becomes_read_only_is_left_for_one_that_writes(
    scene: StoreScene, tmp_path: Path
):
    scene.workers.start("s0")
    scene.publish(MANY)
    wait_for_rows(scene)
    scene.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    scene.execute("SELECT pg_reload_conf()")
    scene.publish(FEW)
    wait_for_log(tmp_path, "25006")
    stored = scene.query("SELECT max(written_at) FROM opwatch.consumed_offsets")
    time.sleep(2)
    assert scene.query("SELECT max(written_at) FROM opwatch.consumed_offsets") == stored
    writes = "SET default_transaction_read_only = off; ALTER SYSTEM RESET ALL; "

    async def promote() -> None:
        connection = await asyncpg.connect(scene.url)
        for statement in writes.split("; ")[:2]:
            await connection.execute(statement)
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    asyncio.run(promote())
    scene.catches_up()


def test_a_standby_is_waited_for_until_it_is_promoted(scene: StoreScene, tmp_path: Path):
    scene.workers.start("s0")
    scene.publish(MANY)
    wait_for_rows(scene)
    scene.follow()
    scene.publish(FEW)
    scene.postgres.kill()
    scene.publish(FEW)
    wait_for_log(tmp_path, "the database takes no rows")
    time.sleep(2)  # it finds the standby, which it cannot write to
    assert scene.workers.is_running("s0")
    scene.promote()
    scene.publish(FEW)
    scene.catches_up()


def test_what_no_table_takes_is_a_dead_letter_and_its_neighbours_are_written(scene: StoreScene):
    scene.publish(FEW)
    scene.send("aggregates", (b"x", b'{"no": "aggregate"}'))
    scene.send("aggregates", window("unlucky"))
    scene.execute(
        "ALTER TABLE opwatch.windows ADD CONSTRAINT no_luck CHECK (operation <> 'unlucky')"
    )
    scene.workers.start("s0")
    scene.publish(FEW)
    wait_for(scene, "SELECT 1 FROM opwatch.dead_letters HAVING count(*) = 2")
    letters = scene.query("SELECT reason, detail, value FROM opwatch.dead_letters ORDER BY detail")
    assert [letter["reason"] for letter in letters] == ["not_stored"] * 2
    assert "no_luck" in letters[1]["detail"]
    assert [letter["value"] for letter in letters] == [
        b'{"no": "aggregate"}',
        window("unlucky")[1],
    ]
    scene.execute("ALTER TABLE opwatch.windows DROP CONSTRAINT no_luck")
    scene.publish(FEW)
    wait_for(scene, STORED.format(scene.prefix, scene.ends()["aggregates"]))
    assert scene.query("SELECT 1 FROM opwatch.windows WHERE operation = 'unlucky'") == []
    others = scene.window_count() - 1
    assert len(scene.query("SELECT 1 FROM opwatch.windows")) == others


STORED = """
SELECT 1 FROM opwatch.consumed_offsets WHERE topic = '{}aggregates'
HAVING sum(next_offset) = {}
"""


def test_people_are_notified_while_the_database_hangs(
    scene: StoreScene, kafka: str, prefix: str, tmp_path: Path
):
    scene.workers.start("s0")
    scene.publish(FEW)
    wait_for_rows(scene)
    scene.proxy.hangs()
    with Receivers() as receivers:
        alerts = Workers(kafka, prefix, 2, tmp_path, role="alert", **receivers.settings(tmp_path))
        try:
            alerts.start("a0")
            opened = alert_breach(1, 1, "opened")
            scene.send("breaches", (opened["fingerprint"].encode(), json.dumps(opened).encode()))
            assert until(lambda: receivers.by_name["hook"].arrived, 60)
            stored = "SELECT 1 FROM opwatch.alerts WHERE rule <> 'parse-errors'"
            assert scene.query(stored) == []
        finally:
            alerts.close()
    scene.proxy.passes()
    wait_for(scene, stored)


def test_a_lost_consumer_group_repeats_nothing(scene: StoreScene):
    scene.workers.start("s0")
    scene.publish(MANY)
    scene.catches_up()
    scene.workers.close()
    before = scene.query("SELECT xmin::text, id FROM opwatch.notifications ORDER BY id")
    forget_group(scene)
    scene.publish(FEW)
    scene.workers.start("s0")
    scene.catches_up()
    after = scene.query("SELECT xmin::text, id FROM opwatch.notifications ORDER BY id")
    assert set(before) <= set(after)


def test_two_workers_share_the_work_and_one_takes_over(scene: StoreScene):
    for name in ("s0", "s1"):
        scene.workers.start(name)
    scene.publish(MANY)
    wait_for_rows(scene)
    scene.publish(FEW)
    scene.workers.kill("s1")
    scene.publish(FEW)
    scene.catches_up()


def ends_by_itself(scene: StoreScene, name: str) -> None:
    until = time.monotonic() + 60
    while scene.workers.is_running(name):
        if time.monotonic() > until:
            raise AssertionError(f"{name} was not killed")
        scene.publish(5)
        time.sleep(0.2)


def wait_for_rows(scene: StoreScene) -> None:
    wait_for(scene, "SELECT 1 FROM opwatch.windows LIMIT 1")


def wait_for(scene: StoreScene, statement: str) -> None:
    until = time.monotonic() + 60
    while not scene.query(statement):
        assert time.monotonic() < until, statement
        time.sleep(0.2)


def wait_for_log(folder: Path, text: str) -> None:
    until = time.monotonic() + 60
    while text not in (folder / "s0.log").read_text():
        assert time.monotonic() < until
        time.sleep(0.2)


def forget_group(scene: StoreScene) -> None:
    admin = AdminClient({"bootstrap.servers": scene.kafka})
    until = time.monotonic() + 30
    while True:
        with contextlib.suppress(KafkaException):  # its members have not all left yet
            for future in admin.delete_consumer_groups([f"{scene.prefix}store"]).values():
                future.result()
            return
        assert time.monotonic() < until
        time.sleep(0.5)
