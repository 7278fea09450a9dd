"""An open page of the dashboard moves with the topics, acts for people, and outlives its server."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from schemas.topics import AGGREGATES
from tests import preloaded
from tests.browser import GET_S, Watched, browser
from tests.dashboard_scene import MINUTE_MS, ROOT, TOKEN, Scene, dashboard, opened, traffic

pytestmark = pytest.mark.timeout(180 + GET_S)


@pytest.fixture
def scene(kafka: str) -> Iterator[Scene]:
    made = Scene(kafka)
    made.make()
    yield made
    made.remove()


@pytest.fixture
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def minute(scene: Scene, start_ms: int, *, count: int, failures: int) -> None:
    """Publish a revision of a minute."""
    part = traffic((start_ms, start_ms + MINUTE_MS), platforms={"lever": 0.0}, per_minute=count)
    value = next(it for it in part.aggregates if b'"operation":"*","platform":null' in it)
    fields = json.loads(value) | {"failures": failures, "successes": count - failures}
    fields |= {"success_rate": (count - failures) / count, "final": False, "revision": count}
    scene.aggregates([json.dumps(fields).encode()])


def test_a_tile_shows_the_aggregate_of_the_topic_and_moves_with_it(
    scene: Scene, chromium: Browser, tmp_path: Path
):
    start_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    minute(scene, start_ms, count=200, failures=12)
    aggregate = json.loads(scene.newest(AGGREGATES))
    with dashboard(scene.settings, tmp_path) as running:
        watched = Watched(chromium, running.loaded().url)
        page = watched.open("/")
        tile, p95 = page.locator("#tile-success_rate"), page.locator("#tile-p95 .tile-value")
        success = tile.locator(".tile-value").get_attribute("data-value")
        assert float(success or "") == pytest.approx(100 * aggregate["success_rate"])
        assert float(p95.get_attribute("data-value") or "") == aggregate["duration_ms"]["p95"]
        for text in ("94.00", "off target", "n = 200"):
            assert text in tile.inner_text()
        minute(scene, start_ms, count=400, failures=120)
        page.wait_for_selector("#tile-success_rate.tile-bad")
        for text in ("70.00", "far off target", "n = 400"):
            assert text in tile.inner_text()
        watched.close()
    assert watched.complaints == []


@contextmanager
def alert_worker(scene: Scene, folder: Path) -> Iterator[None]:
    """Run a real alert worker."""
    rules = folder / "rules.yaml"
    rules.write_text("version: 1\nchannels: []\nrules: []\n")
    settings = scene.settings
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPWATCH_")} | {
        "OPWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "OPWATCH_TOPIC_PREFIX": settings.topic_prefix,
        "OPWATCH_PARTITIONS": str(settings.partitions),
        "OPWATCH_RULE_FILE": str(rules),
        "OPWATCH_HTTP_PORT": "0",
        "PYTHONPATH": str(ROOT),
    }
    worker = preloaded.start(["worker", "alert"], environment, folder, folder / "alert.log")
    try:
        yield
    finally:
        worker.kill()
        worker.wait(10)


def test_acknowledging_and_silencing_work_with_the_token(
    scene: Scene, chromium: Browser, tmp_path: Path
):
    first = opened(int(time.time() * 1000), routing={"channels": [], "cooldown_ms": 0})
    other = opened(int(time.time() * 1000), series="*", routing={"channels": [], "cooldown_ms": 0})
    scene.breaches(first, other)
    with (
        alert_worker(scene, tmp_path),
        dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_TOKEN=TOKEN) as running,
    ):
        watched = Watched(chromium, running.loaded().url)
        page = watched.open(f"/alerts/{first.fingerprint}")
        page.get_by_role("link", name="Sign in to act").click()
        page.get_by_label("Token").fill("wrong-0123456789abcdef")
        page.keyboard.press("Enter")
        page.get_by_text("That token is wrong").wait_for()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        form = page.locator("form[action$=acknowledge]")
        form.get_by_label("Your name").fill("Ada <b>")
        form.get_by_label("Comment").fill("on it")
        page.keyboard.press("Enter")
        page.get_by_text("acknowledged by Ada <b>").first.wait_for(timeout=60_000)
        assert "on it" in page.locator("main").inner_text()
        again = running.post(f"/api/v1/alerts/{first.fingerprint}/acknowledge", by="bob")
        assert (again.status_code, again.json()["done"]) == (409, False)
        silenced = running.post(f"/api/v1/alerts/{other.fingerprint}/silence", by="bob")
        assert silenced.json()["done"]
        found = running.get("/api/v1/alerts").json()
        assert {it["state"] for it in found["open"]} == {"acknowledged", "silenced"}
        (silence,) = found["silences"]
        ended = running.post(f"/api/v1/silences/{silence['id']}/end", by="bob")
        assert ended.json()["done"]
        assert running.post("/api/v1/silences/nothing/end", by="bob").status_code == 404
        assert [it for it in watched.complaints if "401" not in it] == []
        watched.close()


def test_an_open_page_outlives_its_server(scene: Scene, chromium: Browser, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_PORT=port) as running:
        watched = Watched(chromium, running.loaded().url)
        page = watched.open("/")
        no_worker = page.get_by_text("No measure worker has published anything")
        no_worker.wait_for()
        running.until(lambda: running.health()["status"] == "degraded")
        give_up_s = time.monotonic() + 30
        while no_worker.count() and time.monotonic() < give_up_s:
            scene.progress()
            page.wait_for_timeout(300)
        assert no_worker.count() == 0
        assert running.end() == 0
        page.wait_for_selector('#live[data-state="stale"]')
        assert "Connection lost" in page.locator("#live").inner_text()
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_PORT=port):
        page.wait_for_selector('#live[data-state="live"]')
        watched.close()
