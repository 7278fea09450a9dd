"""List the cases besides the comparison: each has topics of its own, and returns figures."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.after_an_hour import after_an_hour
from benchmarks.alert_load import alert_load
from benchmarks.breach_latency import breach_latency
from benchmarks.distinct_platforms import distinct_platforms
from benchmarks.hunger import catching_up, hogs
from benchmarks.idle import idle
from benchmarks.live import live, live_many
from benchmarks.load import Records, near_now
from benchmarks.places import Place, temporary
from benchmarks.scaling_out import together
from benchmarks.window_cost import window_cost
from benchmarks.worker import platforms_for

_RULES = Path(__file__).parent.parent / "config" / "opwatch.yaml"


class Sizes(NamedTuple):
    """How much the cases do."""

    repeats: int = 3
    """Of a case that is short; its figures are medians."""
    live_s: float = 60.0
    many_s: float = 60.0
    hour_minutes: int = 60
    hour_faster: float = 12.0
    platforms: int = 1_000_000
    breaches: int = 100
    alerts: int = 10_000
    events: int = 500_000
    idle_s: float = 20.0
    partitions: tuple[int, ...] = (8, 24, 64, 256)
    workers: tuple[int, ...] = (1, 2, 4)


FULL = Sizes()
#: A smoke test: too short for figures.
QUICK = Sizes(1, 10.0, 10.0, 3, 15.0, 50_000, 5, 500, 100_000, 5.0, (8, 24), (1, 2))

Figures = dict[str, float]


def _hour(bootstrap: str, sizes: Sizes) -> Figures:
    with temporary(bootstrap, "hour", 3) as place:
        return after_an_hour(place, sizes.hour_minutes, sizes.hour_faster)


def _live(bootstrap: str, sizes: Sizes) -> Figures:
    return _medians(bootstrap, "live", 8, sizes, lambda place: live(place, sizes.live_s))


def _many(bootstrap: str, sizes: Sizes) -> Figures:
    with temporary(bootstrap, "many", 8) as place:
        return live_many(place, sizes.many_s, str(_RULES))


def _window(_: str, __: Sizes) -> Figures:
    return window_cost()


def _platforms(bootstrap: str, sizes: Sizes) -> Figures:
    with temporary(bootstrap, "platforms", 8) as place:
        return distinct_platforms(place, sizes.platforms)


def _breach(bootstrap: str, sizes: Sizes) -> Figures:
    with temporary(bootstrap, "latency", 4) as place:
        return breach_latency(place, sizes.breaches, beside=20_000)


def _alerts(bootstrap: str, sizes: Sizes) -> Figures:
    return alert_load(bootstrap, samples=20, breaches=sizes.alerts)


def _hunger(bootstrap: str, sizes: Sizes) -> Figures:
    records = _of_a_thousand(4 * sizes.events)  # in a few seconds nothing would be due
    quiet = _medians(bootstrap, "quiet", 4, sizes, lambda place: catching_up(place, records))
    with hogs():
        hungry = _medians(bootstrap, "hungry", 4, sizes, lambda place: catching_up(place, records))
    return {
        "hunger_share": hungry["revisions_a_cpu_s"] / max(quiet["revisions_a_cpu_s"], 1e-9),
        "hunger_beat_share": hungry["beat_share"],
        "hunger_idle_beat_share": quiet["beat_share"],
        "hunger_per_s": hungry["per_s"],
        "hunger_idle_per_s": quiet["per_s"],
    }


def _partitions(bootstrap: str, sizes: Sizes) -> Figures:
    figures = {}
    for number in sizes.partitions:
        with temporary(bootstrap, "idle", number) as place:
            found = idle(place, sizes.idle_s)
        figures[f"idle_{number}_percent"] = found["idle"] * 100
        figures[f"idle_{number}_counted_s"] = found["counted_s"]
        with temporary(bootstrap, "partitions", number) as place:
            found = catching_up(place, _of_a_thousand(sizes.events))
        figures[f"partitions_{number}_per_s"] = found["per_s"]
    return figures


def _workers(bootstrap: str, sizes: Sizes) -> Figures:
    figures = {}
    for number in sizes.workers:
        with temporary(bootstrap, "workers", 8) as place:
            found = together(place, _of_a_thousand(2 * sizes.events), number)
        figures |= {f"workers_{number}_{name}": value for name, value in found.items()}
    return figures


CASES: dict[str, Callable[[str, Sizes], Figures]] = {
    "window": _window,
    "live": _live,
    "many": _many,
    "hour": _hour,
    "platforms": _platforms,
    "breach": _breach,
    "alerts": _alerts,
    "hunger": _hunger,
    "partitions": _partitions,
    "workers": _workers,
}


def _of_a_thousand(events: int) -> Records:
    return Records(events=events, start_ms=near_now(events), platforms=platforms_for(1_000))


def _medians(
    bootstrap: str, name: str, partitions: int, sizes: Sizes, once: Callable[[Place], Figures]
) -> Figures:
    """Run a case several times, each in topics of its own; return the median of each figure."""
    runs = []
    for _ in range(sizes.repeats):
        with temporary(bootstrap, name, partitions) as place:
            runs.append(once(place))
    return {figure: statistics.median(run[figure] for run in runs) for figure in runs[0]}
