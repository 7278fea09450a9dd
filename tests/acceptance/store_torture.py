"""Kill PostgreSQL and `store` at random, cut and stall what is between them, and compare all rows.

python -m stack run -- python -m tests.acceptance.store_torture [--seeds 20] [--jobs 2]

Each seed has its own topics, its own PostgreSQL, two workers, eight faults
that are drawn, a lock that is held for a minute, and a failover. It fails if a row
differs from the topics' latest revision, is missing, or is there twice.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import asyncpg

from tests.acceptance.store_scene import StoreScene

FAULTS = 8
_FAILPOINTS = ("store_before_transaction_ends", "store_after_transaction")


def kill_postgres(scene: StoreScene) -> None:
    scene.postgres.kill()
    scene.publish(50)
    scene.postgres.start()


def kill_store(scene: StoreScene) -> None:
    scene.workers.kill(scene.random.choice(scene.workers.names))


def kill_both(scene: StoreScene) -> None:
    scene.postgres.kill()
    kill_store(scene)
    scene.publish(50)
    scene.postgres.start()


def die_at_a_failpoint(scene: StoreScene) -> None:
    name = scene.random.choice(scene.workers.names)
    scene.workers.restart(
        name, f"{scene.random.choice(_FAILPOINTS)}:{scene.random.randrange(1, 4)}"
    )


def pause_store(scene: StoreScene) -> None:
    name = scene.random.choice(scene.workers.names)
    scene.workers.signal(name, signal.SIGSTOP)
    time.sleep(scene.random.uniform(1, 9))
    scene.workers.signal(name, signal.SIGCONT)


def cut(scene: StoreScene) -> None:
    scene.proxy.cuts()


def hang(scene: StoreScene) -> None:
    scene.proxy.hangs()
    scene.publish(50)
    time.sleep(scene.random.uniform(1, 10))
    scene.proxy.passes()


def lock(scene: StoreScene) -> None:
    lock_for(scene, scene.random.uniform(1, 10))


def lock_for_a_minute(scene: StoreScene) -> None:
    """Hold a lock for longer than any deadline of a statement."""
    lock_for(scene, 60)


def lock_for(scene: StoreScene, seconds: float) -> None:

    async def lock() -> None:
        connection = await asyncpg.connect(scene.url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE opwatch.windows IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(seconds)
        await connection.close()

    async def locked() -> None:
        while True:
            with contextlib.suppress(asyncpg.DeadlockDetectedError):  # `store` goes on, not we
                return await lock()

    with ThreadPoolExecutor(1) as others:
        other = others.submit(lambda: asyncio.run(locked()))
        scene.publish(50)
        other.result()


def fail_over(scene: StoreScene) -> None:
    """Lose the server, and promote its standby, which is the address's second host."""
    scene.follow()
    scene.publish(50)
    scene.postgres.kill()
    scene.publish(50)
    time.sleep(scene.random.uniform(0, 3))
    scene.promote()


def refuse_writes(scene: StoreScene) -> None:
    async def change(value: str) -> None:
        connection = await asyncpg.connect(scene.url)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()

    asyncio.run(change("on"))
    scene.publish(50)
    time.sleep(scene.random.uniform(1, 4))
    asyncio.run(change("off"))


ALL: tuple[Callable[[StoreScene], None], ...] = (
    kill_postgres,
    kill_store,
    kill_both,
    die_at_a_failpoint,
    pause_store,
    cut,
    hang,
    lock,
    refuse_writes,
)


#: Each seed has them once, beside those that are drawn: they take long, or make a server of their
#: own.
LONG: tuple[Callable[[StoreScene], None], ...] = (lock_for_a_minute, fail_over)


def run(kafka: str, seed: int, folder: Path, *, pgbouncer: bool) -> str | None:
    """Return what went wrong with a seed, None if nothing did."""
    prefix = f"store-torture-{seed}-{time.time_ns() % 10**9}."
    scene = StoreScene(kafka, prefix, folder, seed, pgbouncer=pgbouncer)
    done: list[str] = []
    try:
        for name in ("s0", "s1"):
            scene.workers.start(name)
        scene.publish(200)
        faults = [*scene.random.choices(ALL, k=FAULTS), *LONG]
        scene.random.shuffle(faults)
        for fault in faults:
            done.append(fault.__name__)
            fault(scene)
            scene.workers.supervise()
            scene.publish(100)
            time.sleep(scene.random.uniform(0, 2))
        scene.catches_up(180)
    except Exception:  # noqa: BLE001 - whatever it is, the other seeds go on
        return f"seed {seed} after {', '.join(done)}:\n{traceback.format_exc()}"
    finally:
        scene.close()
    print(f"seed {seed}: exact after {', '.join(done)}", flush=True)
    return None


def main() -> int:
    """Run the seeds; return 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--pgbouncer", action="store_true", help="connect through one, in transaction mode"
    )
    options = parser.parse_args()
    kafka = os.environ["OPWATCH_KAFKA_BOOTSTRAP"]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        Path(folder).chmod(0o755)
        places = [
            Path(folder) / str(seed) for seed in range(options.first, options.first + options.seeds)
        ]
        for place in places:
            place.mkdir()
        run_seed = partial(run, kafka, pgbouncer=options.pgbouncer)
        found = list(pool.map(lambda place: run_seed(int(place.name), place), places))
    failures = [failure for failure in found if failure is not None]
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(found) - len(failures)} of {len(found)} seeds exact")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
