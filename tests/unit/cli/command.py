"""Run a command of opwatch where no Kafka is needed."""

import os
import subprocess
from pathlib import Path

from tests import preloaded

ROOT = Path(__file__).parents[3]


def opwatch(
    *arguments: str, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")}
    return preloaded.run(
        arguments, environment=plain | {"PYTHONPATH": str(ROOT)} | environment, folder=folder
    )
