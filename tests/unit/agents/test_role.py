"""What a role does by the clock waits until its rows are there."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import faust
from faust.types import TP

from agents.kafka.table import VersionedTable
from agents.worker.assignment import PartitionAssignment
from agents.worker.role import Role


async def test_nothing_is_done_by_the_clock_before_the_rows_are_restored() -> None:
    done: list[bool] = []
    role: Any = SimpleNamespace(
        _assignment=SimpleNamespace(restored=False),
        app=SimpleNamespace(rebalancing=False, in_recovery=False),
        watchdog=SimpleNamespace(turned=lambda: None),
        _readiness=SimpleNamespace(look=lambda: None),
        fail=print,
    )

    async def do() -> None:
        done.append(role._assignment.restored)

    loop = asyncio.create_task(Role._every(role, 0.01, do))
    await asyncio.sleep(0.05)
    role._assignment.restored = True
    await asyncio.sleep(0.05)
    role.app.rebalancing = True
    loop.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loop
    assert done
    assert all(done)


async def test_nothing_is_read_before_the_rows_of_its_assignment_are_there() -> None:
    assignment: Any = SimpleNamespace(
        restored=False, _app=SimpleNamespace(consumer_generation_id=7), _losses=4
    )
    waiting = asyncio.create_task(PartitionAssignment.restored_since(assignment, 7))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assignment.restored = True
    losses = await waiting
    assert losses is not None
    assert not PartitionAssignment.is_lost(assignment, losses)


async def test_what_was_fetched_for_an_assignment_that_is_over_is_not_waited_for() -> None:
    assignment: Any = SimpleNamespace(
        restored=False, _app=SimpleNamespace(consumer_generation_id=8), _losses=4
    )
    assert await PartitionAssignment.restored_since(assignment, 7) is None


async def test_what_is_read_after_a_loss_is_not_of_the_rows_that_are_restored_next() -> None:
    assignment: Any = SimpleNamespace(
        restored=True, _app=SimpleNamespace(consumer_generation_id=7), _losses=4
    )
    losses = await PartitionAssignment.restored_since(assignment, 7)
    assert losses is not None
    assignment.restored, assignment._losses = False, 5
    assert PartitionAssignment.is_lost(assignment, losses)
    assignment.restored = True  # the generation may still be the same: Faust sets it elsewhere
    assert PartitionAssignment.is_lost(assignment, losses)


async def test_rows_are_not_there_before_every_changelog_is_whole() -> None:
    whole, calls = [False], []

    async def begin() -> None:
        calls.append("committed")

    recovery = SimpleNamespace(
        signal_recovery_start=asyncio.Event(), flush_buffers=lambda: calls.append("taken in")
    )
    assignment: Any = SimpleNamespace(
        restored=False,
        _app=SimpleNamespace(
            rebalancing=False, in_recovery=False, tables=SimpleNamespace(recovery=recovery)
        ),
        _recovery=SimpleNamespace(is_whole=lambda: whole[0]),
        _losses=3,
        _on_restored=[lambda: calls.append("restored")],
        _chunks=SimpleNamespace(begin=begin),
        _fail=print,
    )
    resuming = asyncio.create_task(PartitionAssignment._resume(assignment, 3))
    await asyncio.sleep(0.05)
    assert not assignment.restored
    whole[0] = True
    await resuming
    assert assignment.restored
    assert calls == ["taken in", "restored", "committed"]


async def test_a_worker_that_is_stopped_before_it_joined_its_group_ends_well():
    ended: list[str] = []

    async def end() -> None:
        ended.append("ended")

    def unknown() -> None:
        message = "the consumer thread is not started"
        raise RuntimeError(message)

    role: Any = SimpleNamespace(
        _readiness=SimpleNamespace(joined=False),
        _before_end=[],
        _after_end=[],
        app=SimpleNamespace(consumer=SimpleNamespace(assignment=unknown), stop=end),
        producer=SimpleNamespace(stop=end),
        health=SimpleNamespace(stop=end),
    )
    await Role._stop(role)
    assert len(ended) == 3


def test_rows_are_dropped_with_their_partition() -> None:
    app = faust.App("rows", broker="kafka://127.0.0.1:1", store="memory://")
    table = VersionedTable(app, name="windows", partitions=2, version_of=len)
    lost, kept = table.of(0), table.of(1)
    lost[b"series"] = kept[b"series"] = b"row"
    revoked: list[TP] = []
    recovery = SimpleNamespace(flush_buffers=lambda: None, revoke=revoked.append)
    assignment: Any = SimpleNamespace(
        restored=True,
        _losses=0,
        _app=SimpleNamespace(tables=SimpleNamespace(recovery=recovery)),
        _recovery=SimpleNamespace(lost=lambda: None),
        _chunks=SimpleNamespace(lost=lambda _: None),
        _on_lost=[],
        _rows_missing={},
        _tables={"changelog": table},
    )
    PartitionAssignment.lost(assignment, [TP("operations", 0), TP("changelog", 0)])
    assert revoked == [TP("changelog", 0)]
    assert not assignment.restored
    assert table.of(0) == {}
    assert table.of(1) is kept
