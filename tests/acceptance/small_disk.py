"""A disk of a few megabytes that is full, for a server's table."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from tests.acceptance.store_scene import StoreScene


@contextlib.contextmanager
def small_disk(scene: StoreScene, folder: Path) -> Iterator[None]:
    """Let performance_metrics lie on a disk that is full; `DROP TABLE filler` makes room."""
    disk = Path(scene.postgres.directory) / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "tmpfs", str(disk)],
        stderr=subprocess.DEVNULL,
    )
    try:
        if mounted:
            space = disk / "space"
            space.mkdir()
            os.chown(space, *_owner(scene.postgres.directory))
            scene.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
            scene.execute("ALTER TABLE opwatch.performance_metrics SET TABLESPACE small")
            scene.execute("CREATE TABLE filler (text text) TABLESPACE small")
            for size in (100_000, 1_000, 10):
                with contextlib.suppress(asyncpg.DiskFullError):
                    while True:
                        scene.execute(
                            "INSERT INTO filler SELECT string_agg(md5(random()::text), '')"
                            f" FROM generate_series(1, {size})"
                        )
        else:  # without the right to mount: the same answer from a trigger
            scene.execute("CREATE TABLE filler ()")
            scene.execute(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF to_regclass('public.filler') IS NULL THEN RETURN NEW; END IF;"
                " RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
            )
            scene.execute(
                "CREATE TRIGGER full_disk BEFORE INSERT ON opwatch.performance_metrics"
                " FOR EACH ROW EXECUTE FUNCTION full_disk()"
            )
        yield
    finally:
        if mounted:
            scene.postgres.stop()
            subprocess.check_call(["umount", "-l", str(disk)])


def _owner(folder: Path) -> tuple[int, int]:
    stat = folder.stat()
    return stat.st_uid, stat.st_gid
