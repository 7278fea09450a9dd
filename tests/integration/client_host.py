"""Scripts and servers of an interpreter that has the client."""

import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

CLIENT = Path(__file__).parents[2] / "client"


class Host(NamedTuple):
    """Runs scripts and servers of one interpreter."""

    python: str
    environment: dict[str, str]
    folder: Path
    started: "list[subprocess.Popen[bytes]]"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def write(self, name: str, code: str) -> Path:
        file = self.folder / name
        file.write_text(textwrap.dedent(code))
        return file

    def start(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a program that stands beside the interpreter."""
        process = subprocess.Popen(
            [Path(self.python).parent / program, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=self.output.open("wb"),  # a pipe that nobody reads would hold it up
            stderr=subprocess.STDOUT,
        )
        self.started.append(process)
        return process

    def run(self, code: str) -> str:
        """Run a script to its end and return what it prints."""
        script = str(self.write("script.py", code))
        process = self.start(Path(self.python).name, "-X", "dev", script)
        process.wait(60)
        out = self.output.read_text()
        assert process.returncode == 0, out
        assert "Traceback" not in out, out
        return out
