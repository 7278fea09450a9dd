"""README.md, docs/alerting.md and docs/operating.md work as they stand there, pasted as a whole."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import preloaded
from tests.integration.command_line import Cli
from tests.pasted import Printed, Shell, commands_of

ROOT = Path(__file__).parents[2]
FIRST = ". .stack/env && . .venv/bin/activate"
#: What a reader stops, or leaves running beside the rest.
ENDLESS = {"opwatch tail ": "opwatch tail --for 1 ", "opwatch dashboard ": "opwatch dashboard & "}
#: Their logs would stand between the lines of other commands.
BESIDE = r"opwatch (worker \w+|dashboard) *&"
#: The ids that pages show, and where a reader finds those of their own.
IDS = {
    "3f9c": r"^([0-9a-f]{4})[0-9a-f]{4} +firing",
    "eaf2": r"^([0-9a-f]{4})[0-9a-f]{4} +firing",
    "fe2b": r"episode ([0-9a-f]{4})",
    "35b4": r"^([0-9a-f]{4})\S{8,}\n.*silences what matches",
}
#: What there is none of in these shells; each says so, and ends with 1.
NOTHING = ("opwatch quality ", "opwatch deadletters ")


class Reader:
    """Somebody who has run `make up`, and has a Slack; pastes what a page says."""

    def __init__(self, cli: Cli, receivers: str) -> None:
        folder = cli.folder
        (folder / ".stack").mkdir()
        ours = {name: it for name, it in cli.environment.items() if name.startswith("OPWATCH_")}
        ours |= {"OPWATCH_HTTP_PORT": "0", "OPWATCH_DASHBOARD_PORT": "0"}
        exports = "".join(f"export {name}={value}\n" for name, value in ours.items())
        (folder / ".stack/env").write_text(exports)
        (folder / ".venv/bin/activate").write_text(f"PATH={folder}/.venv/bin:$PATH\n")
        (folder / ".venv/bin/make").write_text("#!/bin/sh\necho make $*\n")
        (folder / ".venv/bin/make").chmod(0o755)
        (folder / "config").symlink_to(ROOT / "config")
        others = {name: it for name, it in cli.environment.items() if name not in ours}
        self.receivers = receivers
        self._shell = Shell(folder, others | {"LOGNAME": "ada", "PYTHONPATH": str(ROOT)})
        self.paste(FIRST)
        self.paste(receivers)

    def paste(self, text: str) -> Printed:
        """Paste a command, with the ids that were printed in place of the page's."""
        for example, where in IDS.items():
            found = re.findall(where, self._shell.terminal, re.MULTILINE)
            if found:
                text = re.sub(rf"\b{example}\b", found[-1], text)
        for start, instead in (ENDLESS | {"export SLACK_": f"{self.receivers} #"}).items():
            text = text.replace(start, instead) if text.startswith(start) else text
        printed = self._shell.paste(re.sub(BESIDE, r"opwatch \1 > beside.log 2>&1 &", text))
        assert "Traceback" not in printed.text, printed.text
        assert "Please report it" not in printed.text, printed.text
        may_be = (0, 1) if text.startswith(NOTHING) else (0,)
        assert printed.code in may_be, f"{text}: {printed}"
        return printed

    def paste_page(self, name: str, before: dict[str, Callable[[], None]] | None = None) -> None:
        """Paste a page; compare what it shows with what is printed, but for figures and ids."""
        for command in commands_of((ROOT / name).read_text("utf-8")):
            for start, wait in (before or {}).items():
                if command.text.startswith(start):
                    wait()
            printed = self.paste(command.text).text
            for line in command.shown:
                assert line == "…" or _shape(line) in _shape(printed), (command.text, line, printed)

    def close(self) -> None:
        self._shell.close()


def _shape(text: str) -> str:
    """Return a text without figures, ids, times and widths."""
    return re.sub(r"\s+", " ", re.sub(r"\b[0-9a-f]*\d[0-9a-f:]*\b", "#", text)).strip()


@pytest.fixture
def reader(bare: Cli) -> Iterator[Reader]:
    with (
        (bare.folder / "receivers.log").open("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.receivers", "--no-tls"], cwd=ROOT, stdout=log
        ) as receivers,
    ):
        wait_until(lambda: "# control" in (bare.folder / "receivers.log").read_text())
        lines = (bare.folder / "receivers.log").read_text()
        (bare.folder / ".venv/bin").mkdir(parents=True)
        with preloaded.command_in(bare.folder / ".venv/bin"):
            found = Reader(bare, lines)
            yield found
            found.close()
        receivers.terminate()


def wait_until(probe: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 120
    while not probe():
        assert time.monotonic() < give_up_s, "it did not come true"
        time.sleep(0.2)


def test_readme(reader: Reader):
    operation = (
        '{"id":"%s","operation":"parse","occurred_at":%s000,"success":false,"duration_ms":1}\\n'
    )
    failing = f"""for i in $(seq 200); do printf '{operation}' $i $(date +%s); done"""

    def an_alert_fires() -> None:
        reader.paste(f"{failing} | opwatch replay - --speed max")
        wait_until(lambda: " firing " in reader.paste("opwatch alerts list || true").text)

    reader.paste_page("README.md", {"opwatch alerts list": an_alert_fires})


def test_alerting(reader: Reader, bare: Cli):
    page = (ROOT / "docs/alerting.md").read_text("utf-8")
    (rules,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (bare.folder / "rules.yaml").write_text(rules)
    slack = bare.folder / "receivers.log"

    def on_slack() -> None:
        wait_until(lambda: "too_many_errors" in slack.read_text())

    reader.paste_page("docs/alerting.md", {"opwatch alerts list": on_slack})


def test_operating(reader: Reader, bare: Cli):
    logs = ROOT / "tests/unit/replay/logs"
    shutil.copy(logs / "nginx-timed.log", bare.folder / "access.log")
    shutil.copy(logs / "nginx-json.log", bare.folder / "nginx.json")
    reader.paste("opwatch topics create")
    reader.paste_page("docs/operating.md")
