"""Name what each figure should be, and say which fall short."""

from collections.abc import Mapping
from typing import NamedTuple


class Goal(NamedTuple):
    """A figure, as a person reads it, and what it should be."""

    figure: str
    says: str
    unit: str
    limit: float | None = None
    """None: it is only shown."""
    at_least: bool = False
    exact: bool = False

    def met(self, value: float) -> bool:
        """Return whether a value is as it should be, rounded as it is shown."""
        if self.limit is None:
            return True
        shown = float(_plain(value))
        if self.exact:
            return shown == self.limit
        return shown >= self.limit if self.at_least else shown <= self.limit


#: Figures of one case follow each other.
GOALS = (
    Goal("hour_own_s", "after an hour of live traffic: counting again on the same host", "s", 5),
    Goal("hour_other_s", "… on another host", "s", 15),
    Goal("hour_rebalance_s", "… a partition moves: the others stop for", "s", 1),
    Goal("hour_changelog_mb", "… the windows' changelog", "MB"),
    Goal("live_core", "live, 1,000 operations/s, 500 series: of a core", "", 0.1),
    Goal("live_bytes_ratio", "… bytes written for each byte read", "", 4),
    Goal("event_1000_percent", "CPU an event, 1,000 series: more than 16 series", "%", 30),
    Goal("event_10000_percent", "… 10,000 series", "%", 80),
    Goal("times_1000_series", "x Kafka Streams: the same records of 1,000 series", "x", 2, True),
    Goal("times_8_keys", "… of 8 keys", "x", 2.5, True),
    Goal("window_1m_provisional_us", "CPU of a published minute: provisional", "µs", 60),
    Goal("window_1m_final_us", "… final", "µs", 120),
    Goal("many_delay_s", "live, 10,000 operations/s, 10,000 series: latest minute", "s", 2),
    Goal("many_delay_p99_s", "… p99", "s"),
    Goal("many_core", "… of a core, with rules and services", "", 1.3),
    Goal("many_rate", "… operations counted a second", "/s", 9_900, True),
    Goal("day_rss_mb", "10,000 series replayed: resident", "MB", 450),
    Goal("day_growth_mb", "… more over the last half", "MB", 10),
    Goal("day_times_real", "… times real time", "x", 40, True),
    Goal("day_hours", "… hours that were replayed, of 24", "h"),
    Goal("recovery_counting_s", "SIGKILL with 100,000 rows: counting again", "s", 5),
    Goal("recovery_published_s", "… publishing", "s", 8),
    Goal("platforms_rss_mb", "1 M distinct platforms: resident", "MB", 600),
    Goal("platforms_missing", "… operations that `*` lacks", "", 0, exact=True),
    Goal("platforms_pause_s", "… longest time between revisions of `*`", "s", 5),
    Goal("platforms_counted_s", "… all counted after", "s"),
    Goal("breach_median_s", "from a failure to its breach, 20,000/s beside: median", "s", 0.5),
    Goal("breach_p99_s", "… p99", "s", 1),
    Goal("alerts_cpu_s", "10,000 breaches, two of five receivers dead: CPU to decide", "s", 3),
    Goal("alerts_undecided", "… without a decision", "", 0, exact=True),
    Goal("hunger_share", "a hog on each core: publishing's share of CPU, x when idle", "x", 1),
    Goal("hunger_per_s", "… operations/s of 1,000 series", "/s"),
    Goal("hunger_idle_per_s", "… without hogs", "/s"),
    Goal("idle_24_percent", "idle, 24 partitions, the default: of a core", "%", 3),
    *(Goal(f"idle_{n}_percent", f"… {n} partitions", "%") for n in (8, 64, 256)),
    *(
        Goal(f"partitions_{n}_per_s", f"1,000 series, {n} partitions: operations/s", "/s")
        for n in (8, 24, 64, 256)
    ),
    Goal("workers_1_per_s", "1,000 series, one worker: operations/s", "/s"),
    *(Goal(f"workers_{n}_per_s", f"… {n} workers", "/s") for n in (2, 4)),
)


def table(figures: Mapping[str, float]) -> str:
    """Return all goals with their figures as a Markdown table, and the names of what is missed."""
    lines = ["| | figure | goal | |", "|---|---:|---:|---|"]
    missed = []
    whole = ""
    for goal in GOALS:
        whole = goal.says.split(":")[0] if not goal.says.startswith("…") else whole
        value = figures.get(goal.figure)
        verdict = "not measured" if value is None else "met" if goal.met(value) else "missed"
        if value is not None and goal.limit is None:
            verdict = ""
        if verdict == "missed":
            missed.append(goal.says.replace("…", f"{whole}:"))
        figure = "-" if value is None else _with_unit(value, goal.unit)
        wanted = ""
        if goal.limit is not None:
            sign = "" if goal.exact else "≥ " if goal.at_least else "≤ "
            wanted = sign + _with_unit(goal.limit, goal.unit)
        lines.append(f"| {goal.says} | {figure} | {wanted} | {verdict} |")
    summary = f"Missed: {'; '.join(missed)}." if missed else "Nothing measured here is missed."
    return "\n".join([*lines, "", summary])


def _plain(value: float) -> str:
    """Return a value with as many digits as it deserves."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _with_unit(value: float, unit: str) -> str:
    shown = f"{value:,.0f}" if abs(value) >= 100 else _plain(value).removesuffix(".0")
    return f"{shown} {unit}".strip() if unit != "/s" else f"{shown}/s"
