"""Fill the history with what operations come to, folded and rolled up by the code of workers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg
import numpy as np

from schemas.fields import Sums, Tallies, Tally
from schemas.partials import Stats
from streams.history.aggregates import entries_of_aggregate
from streams.history.tables import Entry
from streams.measure.aggregate import aggregate
from streams.measure.centroids import PARTIAL_LIMIT, STORED_LIMIT
from streams.measure.digests import ENGINES, pack_samples
from streams.measure.merge import merge_stats
from streams.measure.series import ALL, series_name
from streams.measure.window_times import SIZES, window_start

_ENGINE = ENGINES["fastdigest"]


class Operations(NamedTuple):
    """What a platform did in one operation: columns of equal length, ascending in time."""

    operation: str
    platform: str
    time_ms: Any
    duration_ms: Any
    failed: Any
    hit: Any
    error_types: Sequence[str | None] = ()

    def during(self, start_ms: int, end_ms: int) -> "Operations":
        """Return those of a span."""
        inside = slice(*np.searchsorted(self.time_ms, (start_ms, end_ms)))
        return Operations(*self[:2], *(column[inside] for column in self[2:]))


def some_operations(  # noqa: PLR0913, RUF100 - a workload has that many knobs
    operation: str,
    platform: str,
    span_ms: tuple[int, int],
    count: int,
    *,
    minutes: int = 0,
    failing: float = 0.05,
    median_ms: float = 80.0,
    sigma: float = 0.7,
    seed: int = 1,
) -> Operations:
    """Return operations with lognormal durations, all over a span or in this many minutes of it."""
    random = np.random.default_rng(seed)
    failed = random.random(count) < failing
    times = random.integers(*span_ms, count)
    if minutes:
        busy = random.integers(span_ms[0] // 60_000, span_ms[1] // 60_000, minutes) * 60_000
        times = random.choice(busy, count) + random.integers(0, 60_000, count)
    kinds = random.choice(["timeout", "blocked", "parse"], count, p=[0.6, 0.3, 0.1])
    return Operations(
        operation,
        platform,
        np.sort(times),
        random.lognormal(np.log(median_ms), sigma, count).astype(np.float32),
        failed,
        random.random(count) < 0.4,
        [str(kind) if fails else None for kind, fails in zip(kinds, failed, strict=True)],
    )


def windows_of(operations: Iterable[Operations]) -> Iterator[bytes]:
    """Yield the final aggregates of all sizes that workers publish of operations."""
    minutes: dict[tuple[str, int], list[Stats]] = defaultdict(list)
    for part in operations:
        names = {
            *(ALL, part.operation),
            series_name(ALL, "platform", part.platform),
            series_name(part.operation, "platform", part.platform),
        }
        starts = part.time_ms // 60_000 * 60_000
        for start_ms in np.unique(starts).tolist():
            stats = _stats(part.during(start_ms, start_ms + 60_000))
            for name in names:
                minutes[name, start_ms].append(stats)
    level = minutes
    for size in SIZES:
        above: dict[tuple[str, int], list[Stats]] = defaultdict(list)
        for (name, start_ms), parts in level.items():
            begins = window_start(size, start_ms)
            above[name, begins] += parts
        level = {}
        for (name, begins), parts in above.items():
            merged = merge_stats(parts, _ENGINE, STORED_LIMIT)
            level[name, begins] = [merged]
            yield aggregate(name, size, begins, merged, None, final=True)


def _stats(part: Operations) -> Stats:
    durations = part.duration_ms.astype(np.float64)
    kinds = [kind for kind in part.error_types if kind is not None]
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    count, failures, hits = len(durations), int(part.failed.sum()), int(part.hit.sum())
    sums = Sums(
        count=count,
        successes=count - failures,
        duration_us=round(durations.sum() * 1000),
        hits=hits,
        misses=count - hits,
    )
    return Stats(
        sums,
        float((durations**2).sum()),
        float(durations.min()),
        float(durations.max()),
        pack_samples(part.duration_ms, PARTIAL_LIMIT),
        (),
        Tallies(Tally(counts)),
    )


async def store(connection: asyncpg.Connection, aggregates: Iterable[bytes]) -> None:
    """Write aggregates as the role `store` does."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    for value in aggregates:
        for entry in entries_of_aggregate(value):
            entries[entry.table.name].append(entry)
    for of_table in entries.values():
        table = of_table[0].table
        names = list(table.columns)
        if table.partitioned:
            size, start = names.index("size"), names.index("start_at")
            days = {
                (entry.values[size], entry.values[start].replace(hour=0, minute=0))
                for entry in of_table
            }
            for place in days:
                await connection.execute(
                    "SELECT opwatch.make_partition($1, $2, $3)", table.name, *place
                )
        await connection.copy_records_to_table(
            table.name,
            schema_name="opwatch",
            columns=names,
            records=[entry.values for entry in of_table],
        )
