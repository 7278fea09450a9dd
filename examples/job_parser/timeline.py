"""Follow what the rules said and whom it reached, and how long each took."""

from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.job_parser.receivers import headline
from schemas.breaches import Breach
from schemas.rules import SEVERITIES

#: Lines of the screen for what happened last.
SHOWN = 6


class _Happened(NamedTuple):
    at_ms: int
    what: str


class Telling:
    """The breaches and the messages of a run."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.failing_ms: int | None = None
        """When the first operation failed because of the trouble."""
        self.recovered_ms: int | None = None
        self._breaches: dict[str, Breach] = {}
        self._said: list[tuple[int, str, Breach]] = []
        self._messages: list[tuple[int, str, str, bool]] = []

    def breach(self, breach: Breach, told_ms: int) -> None:
        """Take a record of `breaches` in, and when the broker had it."""
        known = self._breaches.get(breach.id)
        if known is None or breach.revision > known.revision:
            self._breaches[breach.id] = breach
            if (what := _changed(breach, known)) is not None:
                self._said.append((told_ms, what, breach))

    def message(self, arrived: dict[str, Any]) -> None:
        """Take in what a receiver was told."""
        self._messages.append(
            (int(arrived["at"] * 1000), arrived["receiver"], headline(arrived), arrived["ok"])
        )

    @property
    def is_over(self) -> bool:
        """Whether what opened is resolved, after the trouble."""
        return (
            self.recovered_ms is not None
            and bool(self._breaches)
            and all(one.state == "resolved" for one in self._breaches.values())
        )

    @property
    def opened(self) -> int:
        """How many breaches opened."""
        return len(self._breaches)

    def lines(self) -> list[str]:
        """Return what happened last, a line each."""
        return [it.what for it in sorted(self._happened())[-SHOWN:]]

    def _happened(self) -> list[_Happened]:
        breaches = [
            _Happened(at_ms, f"  breach    {what:9} {one.severity:8} {one.summary}")
            for at_ms, what, one in self._said
        ]
        messages = [
            _Happened(at_ms, f"  {receiver:9} {'told' if ok else 'refused':9} {text}")
            for at_ms, receiver, text, ok in self._messages
        ]
        return breaches + messages

    def tell(self, console: Console) -> None:
        """Print what opened, who was told, and how long after the first failure or the recovery."""
        if not self._said:
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("what", overflow="fold")
        for at_ms, what in sorted(self._happened()):
            table.add_row(self._after(at_ms), what.strip())
        console.print("\nBreaches, and what the local receivers were told:", style="bold")
        console.print(table)
        console.print(
            "after: seconds since the first operation failed (f), or since the recovery (r)",
            style="dim",
        )

    def _after(self, at_ms: int) -> str:
        if self.recovered_ms is not None and at_ms >= self.recovered_ms:
            return f"r + {(at_ms - self.recovered_ms) / 1000:.1f} s"
        if self.failing_ms is not None and at_ms >= self.failing_ms:
            return f"f + {(at_ms - self.failing_ms) / 1000:.1f} s"
        return "–"


def _changed(breach: Breach, known: Breach | None) -> str | None:
    """Return what a person would say of it; None where there is nothing to say."""
    if breach.state != "updated":
        return breach.state
    if known is None or breach.severity == known.severity:
        return None
    is_worse = SEVERITIES.index(breach.severity) > SEVERITIES.index(known.severity)
    return "worse" if is_worse else "milder"
