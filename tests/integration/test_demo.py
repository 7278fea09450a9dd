"""The demo counts exactly what its service published, and leaves nothing behind."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).parents[2]
END_S = 90
WORKERS = {"measure", "quality", "alert", "store"}


class Running:
    """A demo in a process of its own, without a terminal."""

    def __init__(self, kafka: str, postgres: str, log: Path, **environment: str) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("OPWATCH_")}
        (log.parent / ".env").write_text("OPWATCH_SERIES_LIMIT=few\n")
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "examples.job_parser.demo"],
                cwd=log.parent,
                env=ours
                | {"PYTHONPATH": str(ROOT), "OPWATCH_STACK_FOLDER": str(log.parent / "stack")}
                | {"OPWATCH_KAFKA_BOOTSTRAP": kafka, "METRICS_DATABASE_URL": postgres}
                | {"DEGRADE": ""}
                | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def worker(self) -> psutil.Process | None:
        return next((it for it in self.children() if "measure" in it.cmdline()), None)

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until it says so."""
        give_up_s = time.monotonic() + END_S
        while not (found := re.search(pattern, self.said, re.MULTILINE)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < give_up_s, self.said
            time.sleep(0.1)
        return found

    def shell_variable(self, name: str) -> str:
        """Return what a shell that reads the demo's line has in a variable."""
        line = self.says(r"^(\. \S+) && .venv/bin/opwatch tail ")[1]
        shell = subprocess.run(
            ["sh", "-ec", f'{line}; printf %s "${name}"'], cwd=ROOT, capture_output=True, text=True
        )
        assert shell.returncode == 0, shell.stderr
        return shell.stdout

    def counted_exactly(self) -> int:
        """Wait for its end; return how many operations it published and counted."""
        assert self.process.wait(END_S) == 0, self.said
        found = re.search(r"([\d,]+) operations published, ([\d,]+) counted: exact", self.said)
        assert found, self.said
        assert found[1] == found[2]
        return int(found[1].replace(",", ""))


def wait_for_figures(url: str) -> None:
    """Wait until the dashboard shows figures of operations."""
    give_up_s = time.monotonic() + END_S
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.get(f"{url}api/v1/health")
            if answer.status_code == 200 and answer.json()["attempts"]:
                return
        assert time.monotonic() < give_up_s
        time.sleep(0.2)


def have_ended(processes: list[psutil.Process]) -> bool:
    """Return whether all end within seconds; grandchildren outlive their parent by a moment."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


@pytest.fixture
def demo(kafka: str, postgres: str, tmp_path: Path) -> Iterator[type[Running]]:
    """Yield what starts a demo; it and all of its processes are gone afterwards."""
    started: list[Running] = []

    def start(**environment: str) -> Running:
        log = tmp_path / f"demo{len(started)}.log"
        started.append(Running(kafka, postgres, log, **environment))
        return started[-1]

    yield start  # type: ignore[misc]
    for running in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in running.children():
                child.kill()
            running.process.kill()
        running.process.wait()


def test_all_that_is_published_is_counted_and_nothing_stays(kafka: str, demo: type[Running]):
    running = demo(FOR="45", DEGRADE="1")
    url = running.says(r"(http://\S+/) +the dashboard")[1]
    wait_for_figures(url)
    running.says("counted")
    prefix = running.shell_variable("OPWATCH_TOPIC_PREFIX")
    children = running.children()
    roles = {name for it in children for name in it.cmdline() if name in WORKERS}
    assert roles == WORKERS
    assert len(children) >= 5  # the job parser and the receivers too; workers may have processes

    assert running.counted_exactly() > 5_000
    assert re.search(
        r"lever and workday were in trouble from [\d:]+ UTC until [\d:]+", running.said
    )
    assert re.search(r"cache hit rate: ashby \d", running.said)
    assert re.search(r"breach +opened +(medium|high) +overall quality of \*{plat", running.said)
    assert "recommended:" in running.said
    assert re.search(r"opwatch report says(.*\n)+lever +[\d,]+ +\d\d\.\d\d% ", running.said), (
        running.said
    )
    # Who comes within seconds of another alert is named in the text of one mail.
    assert re.search(
        r"mail +received +Subject: +\[(MEDIUM|HIGH)] (quality_degradation|.*\s.* and \d more)",
        running.said,
    )
    analyses = re.search(
        r"([\d,]+) analyses published = ([\d,]+) scored \+ \d+ left out \+ 0 dead letters:"
        r" accounted for",
        running.said,
    )
    assert analyses, running.said
    assert int(analyses[1].replace(",", "")) > 300
    assert "invented_quote" in running.said
    remedies = re.search(
        r"remediations: (\d+) requested, (\d+) ran, \d+ failed; (\d+) healed", running.said
    )
    assert remedies, running.said
    requested, ran, healed = map(int, remedies.groups())
    assert requested >= ran >= healed > 0
    assert re.search(
        r"breach +opened +(high|critical) +error rate of \*\{platform=\"lever", running.said
    )
    assert re.search(r"slack +received +\[(HIGH|CRITICAL)] high_error_rate", running.said)
    assert have_ended(children)
    # Deleted topics are gone for a client a moment later than for their controller.
    admin = AdminClient({"bootstrap.servers": kafka})
    for _ in range(50):
        if not (
            left := [it for it in admin.list_topics(timeout=10).topics if it.startswith(prefix)]
        ):
            break
        time.sleep(0.1)
    assert not left


def test_a_killed_worker_comes_back_and_ctrl_c_ends_everything_with_exact_counts(
    demo: type[Running],
):
    # Whatever stands in the environment is not the demo's.
    running = demo(FOR="600", COLUMNS="80", OPWATCH_GRACE_S="often", OPWATCH_RULE_FILE="nowhere")
    running.says("[1-9][0-9,]* counted")
    worker = running.worker()
    assert worker is not None

    worker.send_signal(signal.SIGKILL)

    running.says(r"the worker \(pid \d+\) ended: SIGKILL")
    running.says("opwatch demo +0:20 of 10:00")
    children = running.children()

    running.process.send_signal(signal.SIGINT)

    running.counted_exactly()
    assert have_ended(children)
    assert "the worker was started again once" in running.said
    assert "next: make demo DEGRADE=1" in running.said
    assert not re.search(r"breach +opened", running.said), running.said
    copyable = r"\. "  # it is whole, and here its path is long
    assert not re.findall(rf"^(?!{copyable}).{{81,}}", running.said, re.MULTILINE)


def test_a_wrong_duration_is_refused_in_one_sentence(demo: type[Running]):
    running = demo(FOR="a while")

    assert running.process.wait(END_S) == 2
    assert running.said == "demo: FOR=a while is not a positive number of seconds\n"
