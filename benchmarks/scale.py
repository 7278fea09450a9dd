"""Estimate what larger installations need, from the figures of `make bench` in results.json.

python -m benchmarks.scale
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

from benchmarks.race import Failed

_RESULTS = Path(__file__).with_name("results.json")
#: An operation counts in one series of each of these shares of all: its name by platform, `*` by
#: platform, and four of the few others.
_SHARES = (0.9, 0.09, 0.0025, 0.0025, 0.0025, 0.0025)
#: Partials are sent twice a second.
_SENT_A_SECOND = 2
#: Revisions of larger windows for each of a minute: 5m each 10 s, 1h each 30 s, the rest.
_LARGER = 1.15
#: Rows are written each half minute, and lie in the changelog for an hour before it is compacted.
_WRITE_S, _UNCOMPACTED_S = 30, 3_600
#: A worker is planned to use this share of a core.
_PLANNED = 0.7
_PARTITIONS = (24, 64, 128, 256)
_RATES, _SERIES = (10_000, 100_000, 1_000_000), (1_000, 100_000, 1_000_000)


class Costs(NamedTuple):
    """What things cost here, in microseconds of CPU, bytes and megabytes."""

    operation_us: float
    partial_row_us: float
    revision_us: float
    idle_core: float
    operation_bytes: float
    partial_row_bytes: float
    aggregate_bytes: float
    row_bytes: float
    base_mb: float
    series_kb: float
    restore_mb_per_s: float


class Need(NamedTuple):
    """What an installation needs."""

    cores: float
    workers: int
    partitions: int
    read_mb_per_s: float
    written_mb_per_s: float
    worker_mb: float
    restart_s: float


def partial_rows(rate: float, series: float, partitions: int) -> float:
    """Return the rows of partials a second: a source sends one for each series it had since.

    Each series is assumed to come from all sources, which is the dearest case.
    """
    together = _SENT_A_SECOND * partitions
    return together * _touched(rate / together, series)


def revisions(rate: float, series: float) -> float:
    """Return the revisions that are published a second."""
    return _LARGER * _touched(rate, series)


def _touched(operations: float, series: float) -> float:
    """Return how many series have at least one of the operations."""
    return sum(share * series * -math.expm1(-operations / (share * series)) for share in _SHARES)


def cores(costs: Costs, rate: float, series: float, partitions: int) -> float:
    """Return the cores that all workers together use."""
    return costs.idle_core + 1e-6 * (
        costs.operation_us * rate
        + costs.partial_row_us * partial_rows(rate, series, partitions)
        + costs.revision_us * revisions(rate, series)
    )


def need(costs: Costs, rate: float, series: float) -> Need:
    """Return what live traffic needs: the fewest partitions that are four a worker, or the most."""
    for partitions in _PARTITIONS:
        used = cores(costs, rate, series, partitions)
        workers = math.ceil(used / _PLANNED)
        if workers * 4 <= partitions:
            break
    written = (
        costs.partial_row_bytes * partial_rows(rate, series, partitions)
        + costs.aggregate_bytes * revisions(rate, series)
        + costs.row_bytes * series / _WRITE_S
    )
    share = series / min(workers, partitions)
    changelog_mb = costs.row_bytes * share * (_UNCOMPACTED_S / _WRITE_S) / 1e6
    return Need(
        used,
        workers,
        partitions,
        costs.operation_bytes * rate / 1e6,
        written / 1e6,
        costs.base_mb + costs.series_kb * share / 1e3,
        changelog_mb / costs.restore_mb_per_s,
    )


def measured() -> tuple[Costs, dict[str, float]]:
    """Return the costs by the figures in results.json, and the figures.

    Raises:
        Failed: a case is missing.
    """
    results = json.loads(_RESULTS.read_text())
    figures: dict[str, float] = {}
    for case in results["cases"].values():
        figures |= case.get("figures", {})
    try:
        return _costs(figures, results["entries"]["memory"]), figures
    except KeyError as missing:
        raise Failed(f"run `make bench` first: {missing} is not in results.json") from missing


def _costs(figures: dict[str, float], memory: dict) -> Costs:
    idle = figures["idle_8_percent"] / 100
    operation_us = (figures["breach_core"] - idle) / figures["breach_beside_per_s"] * 1e6
    rate, rows = figures["live_rate"], partial_rows(figures["live_rate"], 500, 8)
    revision_us = figures["window_1m_provisional_us"]
    rest_us = (figures["live_core"] - idle) * 1e6 - operation_us * rate
    row_us = (rest_us - revision_us * figures["live_aggregates_per_s"]) / rows
    base_mb = 120.0
    restored_s = max(figures["hour_own_s"] - figures["live_start_s"], 0.1)
    return Costs(
        operation_us,
        row_us,
        revision_us,
        idle,
        figures["live_operation_bytes"],
        figures["live_partial_bytes"] * figures["live_partials_per_s"] / rows,
        figures["live_aggregate_bytes"],
        figures["live_row_bytes"],
        base_mb,
        (memory["rss_mb"] - base_mb) * 1e3 / memory["more"]["series"],
        figures["hour_changelog_mb"] / restored_s,
    )


def main() -> None:
    """Print the costs and the tables."""
    try:
        costs, figures = measured()
    except Failed as missing:
        raise SystemExit(str(missing)) from missing
    for name, value in costs._asdict().items():
        print(f"- {name} {value:,.3g}")
    estimated = cores(costs, figures["many_rate"], figures["many_series"], 8)
    print(f"\n`many`: {estimated:.2f} of a core estimated, {figures['many_core']:.2f} measured\n")
    names = ("operations/s", "series", *Need._fields)
    print("|" + "".join(f" {name} |" for name in names))
    print("|" + "---:|" * len(names))
    for rate in _RATES:
        for series in _SERIES:
            found = need(costs, rate, series)
            print(
                f"| {rate:,} | {series:,} | {found.cores:,.1f} | {found.workers:,} |"
                f" {found.partitions} | {found.read_mb_per_s:,.1f} MB/s |"
                f" {found.written_mb_per_s:,.1f} MB/s | {found.worker_mb:,.0f} MB |"
                f" {found.restart_s:,.0f} s |"
            )


if __name__ == "__main__":
    main()
