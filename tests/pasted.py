"""Paste the shell blocks of a page into a shell, one command after the other, as a reader does."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_END = re.compile(r"^@@(\d+)@@$")


class PastedCommand(NamedTuple):
    """What a page tells its reader to paste, and what it says comes of it."""

    text: str
    shown: list[str]
    """The lines that follow on the page, of a block `console`."""


class Printed(NamedTuple):
    """How a command ended, and what stood on the terminal until then."""

    code: int
    text: str


def commands_of(page: str) -> Iterator[PastedCommand]:
    """Yield the commands of a page's shell blocks, in order; of `sh` those of many lines whole."""
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        if kind == "console":
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                yield PastedCommand(command, shown)
        elif "<<" in block:
            yield PastedCommand(block, [])
        else:
            for line in block.replace("\\\n", " ").splitlines():
                if line and not line.startswith("#"):
                    yield PastedCommand(line, [])


class Shell:
    """A shell that stays, in a folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.terminal = ""
        """All that was printed so far."""

    def paste(self, text: str) -> Printed:
        """Run a text and return what is printed until it has ended, by what runs beside it too."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text.rstrip()}\nprintf '\\n@@%s@@\\n' $?\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if found := _END.match(line):
                self.terminal += printed
                return Printed(int(found[1]), printed)
            printed += line
        raise AssertionError(f"the shell ended at {text}: {printed}")

    def close(self) -> None:
        """End the shell, but nothing that it started."""
        self._shell.kill()
        self._shell.wait()
