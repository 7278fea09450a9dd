"""Run `opwatch report` on a history, and read what it reports."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests import preloaded

Report = Callable[..., "subprocess.CompletedProcess[str]"]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def reports(url: str, folder: Path, **environment: str) -> Report:
    others = {name: value for name, value in os.environ.items() if name != "METRICS_DATABASE_URL"}
    given_url = {"METRICS_DATABASE_URL": url} if url else {}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return preloaded.run(
            ["report", *arguments], environment=others | given_url | environment, folder=folder
        )

    return run


def rows_of(done: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)
