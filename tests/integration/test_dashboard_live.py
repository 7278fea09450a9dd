"""An open page of the dashboard moves with the topics, acts for people, and outlives its server."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page

from schemas.topics import AGGREGATES, OPERATIONS
from tests.acceptance.alert_scene import Receivers
from tests.acceptance.running import Running
from tests.browser import GET_S, Watched, browser, reach, unusable
from tests.dashboard_samples import MINUTE_MS
from tests.dashboard_scene import TOKEN, Scene, dashboard

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


RULE = {
    "name": "high_error_rate",
    "kind": "metric_threshold",
    "metric": "error_rate",
    "operator": "greater_than",
    "threshold": 5,
    "window": "1m",
    "min_samples": 50,
    "severity": "high",
    "channels": ["hook"],
}


@pytest.fixture
def workers(kafka: str, scene: Scene, tmp_path: Path) -> Iterator[Receivers]:
    """Run a measure and an alert worker with a rule that notifies a webhook."""
    running = Running(kafka, scene.prefix, tmp_path)
    with Receivers() as receivers:
        settings = receivers.settings(tmp_path)
        rules = Path(settings["OPWATCH_RULE_FILE"])
        rules.write_text(yaml.safe_dump(receivers.rule_file() | {"rules": [RULE]}))
        for role in ("measure", "alert"):
            running.start(role, **settings)
        yield receivers
        running.close()


def publish_operations(scene: Scene, at_ms: int, count: int, failures: int) -> None:
    operations = [
        {
            "id": f"{count}-{number}",
            "operation": "parse_job_data",
            "platform": "lever",
            "occurred_at": at_ms + number,
            "success": number >= failures,
            "duration_ms": 100 + number,
            **({"error_type": "Timeout"} if number < failures else {}),
        }
        for number in range(count)
    ]
    scene.publish(OPERATIONS, (b"lever", json.dumps(operations).encode()))


def newest_minute(scene: Scene) -> dict[str, Any]:
    """Return the newest aggregate of a minute of all operations, as the topic has it."""
    found = (json.loads(value) for value in scene.records(AGGREGATES) if value)
    series = {"operation": "*", "platform": None, "confidence": None}
    return max(
        (it for it in found if it["series"] == series and it["window"]["size"] == "1m"),
        key=lambda it: it["revision"],
    )


@pytest.mark.usefixtures("workers")
def test_what_goes_wrong_is_seen_and_acknowledged(scene: Scene, chromium: Browser, tmp_path: Path):
    # All in a minute that is over: the figures of the span are those of its window.
    at_ms = (int(time.time() * 1000) // MINUTE_MS - 1) * MINUTE_MS
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_TOKEN=TOKEN) as running:
        publish_operations(scene, at_ms, 200, failures=2)
        watched = Watched(chromium, running.loaded().url)
        page = watched.open("/")
        page.locator("#tile-success_rate.tile-good .n", has_text="n = 200").wait_for()
        assert_tiles_are(page, newest_minute(scene))

        publish_operations(scene, at_ms, 300, failures=150)

        page.locator("#tile-success_rate.tile-bad .n", has_text="n = 500").wait_for()
        assert_tiles_are(page, newest_minute(scene))
        page.get_by_role("link", name="high error rate").click()
        page.locator("[data-section=channels]", has_text="notified").wait_for()
        story = page.locator("main").inner_text()
        for part in ("Error rate 30", "hook", "Timeout"):
            assert part in story
        fingerprint = page.url.rpartition("/")[2]
        place = f"/api/v1/alerts/{fingerprint}/acknowledge"
        own = {"Origin": running.url}
        refused = running.client.post(place, json={"by": "eve"}, headers=own)
        assert refused.status_code == 403
        assert page.get_by_role("button", name="Acknowledge").count() == 0

        page.get_by_role("link", name="Sign in to act").click()
        page.get_by_label("Token").fill("wrong-0123456789abcdef")
        page.keyboard.press("Enter")
        page.get_by_text("That token is wrong").wait_for()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.locator("form[action$=acknowledge]").get_by_label("Your name").fill("Ada <b>")
        page.keyboard.press("Enter")
        page.get_by_text("acknowledged by Ada <b>").first.wait_for()
        assert [it for it in watched.complaints if "401" not in it] == []

        again = running.post(place, by="bob")
        assert (again.status_code, again.json()["done"]) == (409, False)
        silence_for_longer(page)
        (silence,) = running.get("/api/v1/alerts").json()["silences"]
        assert (silence["by"], silence["state"]) == ("bob", "active")
        lasts = datetime.fromisoformat(silence["to"]) - datetime.fromisoformat(silence["from"])
        assert lasts > timedelta(hours=1)
        place = f"/silences/{silence['id']}"
        assert "Sign in to act" in running.get(place, Accept="text/html").text
        refused = running.client.post(f"{place}/end", data={"by": "eve"}, headers=own)
        assert refused.status_code == 403
        page.goto(f"{running.url}/alerts")
        reach(page, page.locator(f"#silence-{silence['id']}").get_by_role("link"))
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{place}")
        page.wait_for_selector('#live[data-state="live"]')
        assert unusable(page) == []
        reach(page, page.get_by_label("Your name"))
        page.keyboard.type("bob")
        page.keyboard.press("Enter")
        page.get_by_text("Nothing is silenced").wait_for()
        signed_out = running.get(place, Accept="text/html").text
        assert "ended, by <bdi>bob" in signed_out
        again = running.post(f"/api/v1{place}/end", by="bob")
        assert (again.status_code, again.json()["done"]) == (409, False)
        assert running.post("/api/v1/silences/nothing/end", by="bob").status_code == 404
        page = watched.open("/pipeline")
        page.locator("#role-measure", has_text="partitions 0–1").wait_for()
        roles = {role["role"]: role for role in running.get("/api/v1/pipeline").json()["roles"]}
        measure = roles["measure"]
        assert (measure["state"], len(measure["workers"])) == ("Stable", 1)
        assert measure["lag"]
        assert min(measure["lag"].values()) >= 0
        assert [it["partitions"] for it in measure["watermark_delays"]] == ["0–1"]


def silence_for_longer(page: Page) -> None:
    """Silence the alert of a page by keyboard, for longer than the form proposes."""
    form = page.locator("form[action$=silence]")
    reach(page, form.get_by_label("Your name"))
    page.keyboard.type("bob")
    reach(page, form.get_by_label("For"))
    page.keyboard.press("ArrowDown")
    reach(page, form.get_by_role("button"))
    page.keyboard.press("Enter")
    page.locator("[data-section=history], [data-section=heading]", has_text="bob").first.wait_for()


def assert_tiles_are(page: Page, aggregate: dict[str, Any]) -> None:
    """Check that the overview shows the figures of an aggregate."""
    shown = {
        name: float(page.locator(f"#tile-{name} .tile-value").get_attribute("data-value") or "nan")
        for name in ("success_rate", "p95", "p99")
    }
    assert shown == {
        "success_rate": pytest.approx(100 * aggregate["success_rate"]),
        "p95": aggregate["duration_ms"]["p95"],
        "p99": aggregate["duration_ms"]["p99"],
    }


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
