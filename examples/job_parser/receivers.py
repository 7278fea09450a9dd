"""Run the receivers of the demo's messages as a process, and follow what arrives.

They stand in for Slack, PagerDuty and a mail server, and are as strict (tests/receivers).
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from examples.job_parser.supervisor import END_S
from tests.receivers.showing import shown

_START_S = 20.0


class Receivers:
    """The local receivers, and the messages that arrive at them."""

    def __init__(self, on_arrival: Callable[[dict[str, Any]], None]) -> None:
        """Start nothing yet."""
        self._on_arrival = on_arrival
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self, folder: Path, rules: Path) -> Mapping[str, str]:
        """Start the receivers and return the environment that the alert worker needs.

        Args:
            folder: for certificates, the log, and a rule file with the receivers' addresses.
            rules: the rule file.
        """
        with (folder / "receivers.log").open("wb") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.receivers", "--json", "--folder", str(folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert process.stdout is not None
        async with asyncio.timeout(_START_S):
            where = json.loads(await process.stdout.readline())
        self._following = asyncio.create_task(self._follow(process.stdout))
        rule_file = _with_addresses(rules, where["urls"], folder)
        return dict(where["environment"]) | {"OPWATCH_RULE_FILE": str(rule_file)}

    async def _follow(self, output: asyncio.StreamReader) -> None:
        async for line in output:
            self._on_arrival(json.loads(line))

    async def end(self) -> None:
        """End the receivers."""
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._following is not None:
            await asyncio.gather(self._following, return_exceptions=True)


def headline(arrived: dict[str, Any]) -> str:
    """Return the first line of a message that arrived."""
    _, *lines = shown(arrived).splitlines()
    return lines[0].strip() if lines else ""


def _with_addresses(rules: Path, urls: Mapping[str, str], folder: Path) -> Path:
    content = yaml.safe_load(rules.read_text())
    for channel in content["channels"]:
        if channel["type"] in urls:
            channel["url"] = urls[channel["type"]]
    rule_file = folder / "rules.yaml"
    rule_file.write_text(yaml.safe_dump(content, sort_keys=False))
    return rule_file
