"""Run the examples of docs/consuming.md, as they stand there, beside a worker that has counted."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from stack.kafka import LocalKafka
from tests.acceptance import oracle
from tests.acceptance.running import ROOT, Running

PAGE = (ROOT / "docs" / "consuming.md").read_text("utf-8")
#: The file that each example names in its first line, with the example.
EXAMPLES = {
    name: code
    for code, name in re.findall(r"```(?:python|js|sh)\n((?:#|//) (\S+): .*?)```", PAGE, re.DOTALL)
}
MINUTES = 50
PLATFORM = "lever"
RULES = """
version: 1
rules:
  - name: too_many_errors
    kind: metric_threshold
    metric: error_rate
    each: platform
    operator: greater_than
    threshold: 20
    window: 1m
    min_samples: 20
    severity: high
"""
_MINUTE_MS = 60_000
_PROGRAMS = {".py": [sys.executable], ".mjs": ["node"], ".sh": ["sh"]}


class Scene:
    """An hour that a worker has counted, and what reads it."""

    def __init__(self, kafka: str, prefix: str, folder: Path) -> None:
        self.kafka, self.prefix, self.folder = kafka, prefix, folder
        self._standing = oracle.Standing(kafka, prefix)
        self._published = 0
        for name, code in EXAMPLES.items():
            (folder / name).write_text(code)
        tool = LocalKafka(folder / "unused").tool("org.apache.kafka.tools.consumer.ConsoleConsumer")
        script = folder / "kafka-console-consumer.sh"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(tool)} "$@"\n')
        script.chmod(0o755)
        self.environment = os.environ | {
            "OPWATCH_KAFKA_BOOTSTRAP": kafka,
            "OPWATCH_TOPIC_PREFIX": prefix,
            "PATH": f"{folder}:{os.environ['PATH']}",
        }

    def publish(self, share: float) -> None:
        """Publish a share of each minute's operations, and wait until all are counted."""
        random = np.random.default_rng(int(share * 100))
        producer = Producer({"bootstrap.servers": self.kafka, "linger.ms": 50})
        this_minute_ms = int(time.time() * 1000) // _MINUTE_MS * _MINUTE_MS
        for minute in range(MINUTES, -1, -1):
            for platform in (PLATFORM, "ashby"):
                for duration_ms in random.lognormal(4, 0.8, int(60 * share)).round(3).tolist():
                    self._published += 1
                    operation = {
                        "id": str(self._published),
                        "operation": "parse",
                        "platform": platform,
                        "occurred_at": this_minute_ms - minute * _MINUTE_MS,
                        "success": minute > 1 or platform != PLATFORM,
                        "duration_ms": duration_ms,
                    }
                    producer.produce(
                        self.prefix + "operations",
                        json.dumps(operation),
                        partition=self._published % 2,
                    )
        producer.flush(30)
        wait_until(lambda: self._standing.total() == self._published)

    def windows(self) -> list[Any]:
        """Return the final minutes of the platform, each in its largest revision."""
        ours = f'*{{platform="{PLATFORM}"}}/1m/'
        return [
            aggregate
            for key, aggregate in self._standing.read().items()
            if key.startswith(ours) and aggregate["final"]
        ]

    def run(self, name: str, *arguments: str) -> str:
        """Return what an example prints until it ends."""
        done = subprocess.run(
            self._command(name, *arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def first_line(self, name: str, pattern: str, *arguments: str) -> str:
        """Return the first line that fits of what an example prints; then end it."""
        with subprocess.Popen(
            self._command(name, *arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a pipeline ends as a whole
        ) as process:
            timer = threading.Timer(60, os.killpg, (process.pid, 9))
            timer.start()
            assert process.stdout is not None
            printed = []
            try:
                for line in process.stdout:
                    printed.append(line)
                    if re.search(pattern, line):
                        return line
            finally:
                timer.cancel()
                os.killpg(process.pid, 9)
        raise AssertionError(f"none of its lines fits {pattern}: {printed}")

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [*_PROGRAMS[Path(name).suffix], name, *arguments]


@contextmanager
def scene(kafka: str, folder: Path) -> Iterator[Scene]:
    """Yield an hour of operations that were published in two halves, all of them counted."""
    prefix = f"consuming-{time.time_ns() % 10**9}."
    workers = Running(kafka, prefix, folder)
    rules = folder / "with-a-rule.yaml"
    rules.write_text(RULES)
    workers.start("measure", OPWATCH_RULE_FILE=str(rules))
    try:
        wait_until(lambda: workers.is_ready(0))
        found = Scene(kafka, prefix, folder)
        found.publish(0.3)
        found.publish(0.7)
        wait_until(lambda: len(found.windows()) >= MINUTES - 1)
        yield found
    finally:
        workers.close()
        print(workers.log(0)[-3000:])


def wait_until(probe: Callable[[], bool]) -> None:
    """Wait until it is so."""
    give_up_s = time.monotonic() + 120
    while not probe():
        assert time.monotonic() < give_up_s, "it did not come true"
        time.sleep(0.2)


def node_packages(folder: Path) -> str:
    """Install what the page says into the folder; return why that is impossible, if it is."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no Node here: its examples were not run"
    command = re.search(r"`npm (install [^`]+)`", PAGE)
    assert command
    done = subprocess.run(
        ["npm", *command[1].split(), "--prefer-offline", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return f"npm cannot install {command[1]}: {done.stderr}" if done.returncode else ""
