"""Give tests topics that the client publishes to, and scripts that publish."""

import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.client.published import create


@pytest.fixture
def prefix(kafka: str) -> str:
    """Return a prefix of our own; the topics that the client writes exist."""
    prefix = f"cl-{uuid.uuid4().hex[:8]}."
    names = ("operations", "heartbeats", "analyses", "labels", "quality-scores", "remediations")
    for name in names:
        create(kafka, prefix + name)
    return prefix


@pytest.fixture
def topic(prefix: str) -> str:
    return prefix + "operations"


@pytest.fixture
def script(kafka: str, prefix: str, tmp_path: Path) -> Callable[..., Any]:
    """Run a script as a process of its own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")
    } | {"OPWATCH_KAFKA_BOOTSTRAP": kafka, "OPWATCH_TOPIC_PREFIX": prefix}

    def run(code: str, **more: str) -> "subprocess.CompletedProcess[str]":
        file = tmp_path / "script.py"
        file.write_text("import opwatch_client as opwatch\n" + textwrap.dedent(code))
        return subprocess.run(
            [sys.executable, "-X", "dev", str(file)],
            env=environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run
