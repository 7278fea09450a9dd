"""Run `opwatch worker` processes that are left to themselves, each with its log."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from tests import preloaded

ROOT = Path(__file__).parents[2]


class Running:
    """`opwatch worker` processes of one prefix, each with its log."""

    def __init__(self, kafka: str, prefix: str, folder: Path) -> None:
        rules = folder / "rules.yaml"
        rules.write_text("version: 1\n")
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OPWATCH_")
        } | {
            "OPWATCH_KAFKA_BOOTSTRAP": kafka,
            "OPWATCH_TOPIC_PREFIX": prefix,
            "OPWATCH_PARTITIONS": "2",
            "OPWATCH_HTTP_PORT": "0",
            "OPWATCH_LOG_FORMAT": "json",
            "OPWATCH_RULE_FILE": str(rules),
            "OPWATCH_SESSION_TIMEOUT_S": "6",
            "PYTHONPATH": str(ROOT),
        }
        self._folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, role: str, *before: str, **settings: str) -> int:
        number = len(self.processes)
        self.processes.append(
            preloaded.start(
                ["worker", role],
                self._environment | settings,
                self._folder,
                self.log_of(number),
                before=before,
            )
        )
        return number

    def log_of(self, number: int) -> Path:
        return self._folder / f"{number}.log"

    def log(self, number: int) -> str:
        return self.log_of(number).read_text()

    def get(self, number: int, path: str) -> tuple[int, str]:
        """Return what a worker answers; 0 while it does not listen."""
        for line in self.log(number).splitlines():
            if line.startswith("{") and "metrics and health" in line:
                url = json.loads(line)["url"].replace("/metrics", path)
                try:
                    with urllib.request.urlopen(url, timeout=5) as answer:
                        return answer.status, answer.read().decode()
                except urllib.error.HTTPError as error:
                    return error.code, error.read().decode()
                except OSError:
                    return 0, ""
        return 0, ""

    def is_ready(self, number: int) -> bool:
        return self.get(number, "/readyz")[0] == 200

    def ended(self) -> list[int]:
        return [n for n, process in enumerate(self.processes) if process.poll() is not None]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
