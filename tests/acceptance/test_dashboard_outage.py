"""Whatever goes away is named on an open page, which goes on by itself once it is back."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from stack.kafka import LocalKafka
from tests.acceptance.running import Running
from tests.acceptance.tcp_proxy import TcpProxy, proxy_of
from tests.browser import GET_S, Watched, browser
from tests.dashboard_samples import MINUTE_MS, traffic
from tests.dashboard_scene import ROOT, Dashboard, Scene, dashboard

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300 + GET_S)]

KAFKA = "Kafka has not answered for"
DATABASE = "PostgreSQL does not answer"
WORKER = "No measure worker has published anything for"
#: A clock that is as far ahead as a file says.
CLOCK = """
import pathlib
import time

real = time.time
time.time = lambda: real() + float(pathlib.Path({file!r}).read_text())
"""
#: Returns after how many seconds the page says each part of a sentence.
SECONDS = """parts => new Promise(done => {
  const began = performance.now(), said = {};
  const timer = setInterval(() => {
    const text = document.getElementById("notices").textContent;
    const seconds = (performance.now() - began) / 1000;
    for (const part of parts) if (text.includes(part)) said[part] ??= seconds;
    if (Object.keys(said).length < parts.length && seconds < 120) return;
    clearInterval(timer);
    done(said);
  }, 20);
})"""


class Clock:
    """The clock of a process, which a test may set."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = folder / "ahead"
        self.is_ahead_s(0)
        (folder / "sitecustomize.py").write_text(CLOCK.format(file=str(self._file)))
        self.path = f"{folder}{os.pathsep}{ROOT}"

    def is_ahead_s(self, seconds: float) -> None:
        written = self._file.with_suffix(".written")
        written.write_text(str(seconds))
        written.rename(self._file)


@pytest.fixture
def proxy(history: str) -> Iterator[tuple[TcpProxy, str]]:
    """Yield a proxy in front of PostgreSQL, and the address of the history there."""
    made, url = proxy_of(history)
    yield made, url
    made.close()


def test_a_page_says_what_is_away_and_goes_on(tmp_path: Path, proxy: tuple[TcpProxy, str]):
    clock = Clock(tmp_path / "clock")
    database, url = proxy
    with LocalKafka(tmp_path / "kafka") as kafka:
        scene = Scene(kafka.bootstrap)
        scene.make()
        workers = Running(kafka.bootstrap, scene.prefix, tmp_path)
        workers.start("measure")
        options = {"METRICS_DATABASE_URL": url, "PYTHONPATH": clock.path}
        try:
            with dashboard(scene.settings, tmp_path, **options) as running, browser() as chromium:
                watched = Watched(chromium, running.loaded().url)
                page = watched.open("/")
                is_silent(page)
                away_and_back(page, workers, database, clock)
                broker_hangs_and_goes_on(page, kafka)
                broker_dies_and_is_back(page, kafka, scene, running)
                assert watched.complaints == []
                watched.close()
                assert running.end() == 0
        finally:
            workers.close()


def away_and_back(page: Page, workers: Running, database: TcpProxy, clock: Clock) -> None:
    def fault() -> None:
        database.hangs()
        clock.is_ahead_s(3600)
        workers.processes[0].kill()

    says(page, fault, WORKER, DATABASE, "clock jumped forward by 1 h")
    database.passes()
    workers.start("measure")
    says(page, lambda: clock.is_ahead_s(0), "clock jumped back by 1 h")
    is_silent(page, WORKER, DATABASE)


def broker_hangs_and_goes_on(page: Page, kafka: LocalKafka) -> None:
    assert kafka.process is not None
    process = kafka.process.pid
    says(page, lambda: os.kill(process, signal.SIGSTOP), KAFKA)
    os.kill(process, signal.SIGCONT)
    is_silent(page, KAFKA)


def broker_dies_and_is_back(
    page: Page, kafka: LocalKafka, scene: Scene, running: Dashboard
) -> None:
    start_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    minute_ms = start_ms, start_ms + MINUTE_MS
    scene.aggregates(traffic(minute_ms).aggregates)
    samples = page.locator("#tile-success_rate .n")
    page.locator("#tile-success_rate .n", has_text="n = 150").wait_for()
    says(page, kafka.kill, KAFKA)
    assert running.health()["status"] == "down"
    assert running.get("/health", Accept="application/json").status_code == 503
    assert "n = 150" in samples.inner_text()  # what was known is still shown
    kafka.start()
    scene.aggregates(traffic(minute_ms, per_minute=60).aggregates)
    page.locator("#tile-success_rate .n", has_text="n = 300").wait_for(timeout=120_000)
    is_silent(page, KAFKA)


def says(page: Page, fault: Callable[[], None], *parts: str) -> None:
    """Do harm, and wait until the page says all of these; print how long that took."""
    fault()
    seconds: dict[str, float] = page.evaluate(SECONDS, list(parts))
    for part, after_s in seconds.items():
        print(f"said after {after_s:.1f} s: {part}")
    assert set(seconds) == set(parts)


def is_silent(page: Page, *parts: str) -> None:
    """Wait until the page says none of these; by default, until it says nothing."""
    notices = page.locator("#notices")
    for part in parts or ("",):
        found = notices.locator(".notice", has_text=part)
        found.first.wait_for(state="hidden", timeout=120_000)
        assert found.count() == 0
