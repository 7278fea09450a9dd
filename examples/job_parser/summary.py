"""Print at the end what was counted, and whether it equals what was published."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.cli.live_table import BAD_RATE, milliseconds, percent
from examples.job_parser.counting import ALL, Counts, Key
from examples.job_parser.site import PLATFORMS


class Trouble(NamedTuple):
    """The platforms that were in trouble, and from when until when (epoch ms)."""

    platforms: Sequence[str]
    began_ms: int
    ended_ms: int | None


class Run(NamedTuple):
    """The result of a demo."""

    published: int
    dropped: int
    analyses: int
    """Published."""
    remedied: int
    """Requests to remedy that the parser handled."""
    not_remedied: int
    """Those at which it failed."""
    parser_ended_well: bool
    restarts: int
    trouble: Trouble | None


def agrees(run: Run, counts: Counts) -> bool:
    """Return whether the counts equal what was published."""
    return run.parser_ended_well and run.published == counts.counted


def show(run: Run, counts: Counts, console: Console) -> None:
    """Print the summary."""
    console.print()
    console.print(_verdict(run, counts))
    total = counts.sum(ALL)
    if total is None:
        return
    console.print(
        f"success rate {percent(total.successes / total.operations)}  ·  p50"
        f" {milliseconds(total.p50)} ms  ·  p95 {milliseconds(total.p95)} ms  ·  p99"
        f" {milliseconds(total.p99)} ms",
    )
    console.print(f"cache hit rate: {_cache(counts)}")
    if run.restarts:
        times = "once" if run.restarts == 1 else f"{run.restarts} times"
        console.print(f"the worker was started again {times}")
    if run.trouble is not None:
        _show_trouble(run.trouble, counts, console)


def _verdict(run: Run, counts: Counts) -> Text:
    figures = f"{run.published:,} operations published, {counts.counted:,} counted"
    dropped = f" ({run.dropped:,} more never left the service: Kafka was unreachable)"
    if not run.parser_ended_well:
        figures += " (the job parser was killed, so this number is not exact)"
    if agrees(run, counts):
        verdict = "[bold green]exact[/]"
    else:
        verdict = f"[bold red]not exact[/]: {counts.counted - run.published:+,}"
    return Text.from_markup(
        f"[bold]{figures}[/]: {verdict}{dropped if run.dropped else ''}", emoji=False
    )


def _cache(counts: Counts) -> str:
    sums = {name: counts.sum(Key("*", name)) for name in PLATFORMS}
    return "  ·  ".join(
        f"{name} {it.hits / it.lookups:.1%}" for name, it in sums.items() if it and it.lookups
    )


def _show_trouble(trouble: Trouble, counts: Counts, console: Console) -> None:
    platforms = " and ".join(trouble.platforms)
    until = f"until {_time(trouble.ended_ms)}" if trouble.ended_ms else "to the end"
    console.print(
        Text.from_markup(
            f"\n[bold]{platforms} were in trouble from {_time(trouble.began_ms)} UTC {until}[/]:"
            " their pages came cut or not at all. The 1m windows before, and the worst until the"
            " cut pages had left the cache:",
            emoji=False,
        )
    )
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    for heading in ("platform", "parsed", "p95 ms", "fetched", "p95 ms"):
        table.add_column(heading, justify="left" if heading == "platform" else "right")
    for name in PLATFORMS:
        table.add_row(
            name, *_moved(counts, "parse_job_data", name), *_moved(counts, "fetch_page", name)
        )
    console.print(table)


def _moved(counts: Counts, operation: str, platform: str) -> tuple[str | Text, str]:
    key = Key(operation, platform)
    before, worst = counts.before.get(key), counts.worst.get(key)
    if before is None or worst is None:
        return "–", "–"
    rate = f"{percent(before.success_rate)} → {percent(worst.success_rate)}"
    style = "red" if worst.success_rate < BAD_RATE else ""
    return Text(rate, style), f"{milliseconds(before.p95)} → {milliseconds(worst.p95)}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%H:%M:%S")
