"""Collect the breaches and messages of a demo, with the time that each took."""

from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from examples.job_parser.receivers import headline
from schemas.breaches import Breach
from schemas.rules import SEVERITIES

#: How many of the latest events the screen shows.
SHOWN = 6


class _Event(NamedTuple):
    at_ms: int
    text: str


class Timeline:
    """The breaches and the messages of a run."""

    def __init__(self) -> None:
        """Start without events."""
        self.failing_ms: int | None = None
        """When the first operation failed because of the trouble."""
        self.recovered_ms: int | None = None
        self._breaches: dict[str, Breach] = {}
        self._changes: list[tuple[int, str, Breach]] = []
        self._messages: list[tuple[int, str, str, bool]] = []

    def breach(self, breach: Breach, published_ms: int) -> None:
        """Add a record of `breaches`, with its Kafka timestamp."""
        previous = self._breaches.get(breach.id)
        if previous is None or breach.revision > previous.revision:
            self._breaches[breach.id] = breach
            if (change := _change(breach, previous)) is not None:
                self._changes.append((published_ms, change, breach))

    def message(self, arrived: dict[str, Any]) -> None:
        """Add a message that a receiver got."""
        self._messages.append(
            (int(arrived["at"] * 1000), arrived["receiver"], headline(arrived), arrived["ok"])
        )

    @property
    def is_over(self) -> bool:
        """Whether all breaches are resolved after the trouble."""
        return (
            self.recovered_ms is not None
            and bool(self._breaches)
            and all(breach.state == "resolved" for breach in self._breaches.values())
        )

    @property
    def opened(self) -> int:
        """How many breaches opened."""
        return len(self._breaches)

    def lines(self) -> list[str]:
        """Return the latest events, one per line."""
        return [event.text for event in sorted(self._events())[-SHOWN:]]

    def _events(self) -> list[_Event]:
        breaches = [
            _Event(at_ms, f"  breach    {change:9} {breach.severity:8} {breach.summary}")
            for at_ms, change, breach in self._changes
        ]
        messages = [
            _Event(at_ms, f"  {receiver:9} {'received' if ok else 'refused':9} {text}")
            for at_ms, receiver, text, ok in self._messages
        ]
        return breaches + messages

    def print(self, console: Console) -> None:
        """Print all events, with the seconds since the first failure or the recovery."""
        if not self._changes:
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("what", overflow="fold")
        for at_ms, text in sorted(self._events()):
            table.add_row(self._after(at_ms), text.strip())
        console.print("\nBreaches, and the messages that the local receivers got:", style="bold")
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


def _change(breach: Breach, previous: Breach | None) -> str | None:
    """Return the change in a word; None if a person would not notice it."""
    if breach.state != "updated":
        return breach.state
    if previous is None or breach.severity == previous.severity:
        return None
    is_worse = SEVERITIES.index(breach.severity) > SEVERITIES.index(previous.severity)
    return "worse" if is_worse else "milder"
