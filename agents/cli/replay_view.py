"""Show how a replay goes: a progress bar and the bad lines, on stderr."""

import time

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from agents.cli.printing import console
from agents.cli.recorded import Bad, Lines
from agents.cli.replaying import Outcome

#: Bad lines are told one by one up to this many, then counted.
TELL = 20


class View:
    """The progress bar and the complaints, on stderr; only complaints where that is no terminal."""

    def __init__(self, lines: Lines, size: int | None) -> None:
        out = console(stderr=True)
        self._lines = lines
        self._told = 0
        self._began_s = time.monotonic()
        self._shown_s = 0.0
        self._progress = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )
        self._task = self._progress.add_task("", total=size)

    def __enter__(self) -> "View":
        self._progress.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._told > TELL:
            self._say(f"… and {self._told - TELL:,} more bad lines.")
        self._progress.__exit__(None, None, None)

    def complain(self, bad: Bad) -> None:
        self._told += 1
        if self._told <= TELL:
            self._say(f"line {bad.number}: {bad.why}.")

    def show(self, outcome: Outcome) -> None:
        now_s = time.monotonic()
        if now_s - self._shown_s < 0.1:
            return
        self._shown_s = now_s
        rate = outcome.published / max(now_s - self._began_s, 0.1)
        text = f"{outcome.published:,} records, {rate:,.0f}/s"
        self._progress.update(self._task, completed=self._lines.consumed, description=text)

    def _say(self, text: str) -> None:
        self._progress.console.print(Text(f"opwatch: {text}"), soft_wrap=True)
