"""The dashboard shows what is published, in a real browser, and does nothing that it may not."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests import dashboard_day
from tests.browser import GET_S, Watched, browser
from tests.dashboard_samples import (
    MINUTE_MS,
    opened,
    quality_windows,
    service_windows,
    traffic,
)
from tests.dashboard_scene import READ_TOKEN, TOKEN, Dashboard, Scene, dashboard
from tests.integration.dashboard_claims import CLAIMS, Day

pytestmark = pytest.mark.timeout(180 + GET_S)
HOSTILE = {
    "script": "<script>window.hacked=1;alert(1)</script>",
    "image": '"><img src=x onerror="window.hacked=1">',
    "braces": "{{ 7*7 }}{% raw %}",
    "bidi": "\u202egnp.exe \u2066x",
    "arabic": "منصة",
    "emoji": "👩‍💻 platform",
    "long": "W" * 128,
    "huge": "H" * 10_000,
    "control": "a\u0000b\u001b[31mred",
}


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


def test_a_day_of_operations(
    scene: Scene, chromium: Browser, tmp_path: Path, subtests: pytest.Subtests
):
    now_ms = int(time.time() * 1000)
    found = dashboard_day.fill(scene, now_ms)
    options = {
        "OPWATCH_DASHBOARD_TOKEN": TOKEN,
        "OPWATCH_DASHBOARD_CLAIM": "96-99",
        "OPWATCH_DASHBOARD_ORIGINS": "https://status.example.com",
    }
    with dashboard(scene.settings, tmp_path, **options) as running:
        watched = Watched(chromium, running.loaded().url)
        day = Day(scene, found, running, now_ms, watched)
        for check in CLAIMS:
            with subtests.test(check.__name__):
                check(day)
        watched.close()


def test_hostile_names_are_shown_and_do_nothing(scene: Scene, chromium: Browser, tmp_path: Path):
    now_ms = int(time.time() * 1000)
    start_ms = now_ms // MINUTE_MS * MINUTE_MS
    aggregates: list[bytes] = []
    for name in HOSTILE.values():
        part = traffic((start_ms, start_ms + MINUTE_MS), platforms={"x": 0.5}, operation="parse")
        values = [json.loads(value) for value in part.aggregates]
        for fields in values:
            if fields["series"]["platform"]:
                fields["series"]["platform"] = name
            if fields["series"]["operation"] != "*":
                fields["series"]["operation"] = name
            fields["failures_by_type"]["most_frequent"] = [
                {"name": name[:100], "count": fields["failures"]}
            ]
            fields["exemplars"] = [
                {"id": name, "success": False, "duration_ms": 1.0, "error_type": name}
            ]
        aggregates += [json.dumps(fields).encode() for fields in values]
        aggregates += service_windows(name, now_ms, hours=1)
        aggregates += quality_windows(now_ms, "overall", name, mean=0.5)[::40]
    # What no decoder of ours would write: half a character.
    scene.aggregates([*aggregates, aggregates[0].replace(b'"*"', b'"\\ud800"')])
    rule = opened(
        now_ms,
        series=HOSTILE["script"],
        labels={"a": HOSTILE["image"], "platform": HOSTILE["script"], "b": HOSTILE["huge"]},
        summary="S" * 10_000 + HOSTILE["image"],
        runbook="javascript:alert(1)",
        exemplars=[{"id": HOSTILE["image"], "success": False, "duration_ms": 1, "error_type": "x"}],
    )
    huge = opened(now_ms, rule=HOSTILE["huge"], series=HOSTILE["huge"])
    scene.breaches(rule, huge)
    scene.decide(huge, "sent", HOSTILE["huge"], answer=HOSTILE["huge"])
    scene.refuse(HOSTILE["huge"].encode(), detail=HOSTILE["huge"])
    scene.decide(
        rule, "sent", HOSTILE["script"], sentence=HOSTILE["image"], answer=HOSTILE["script"]
    )
    scene.refuse(HOSTILE["script"].encode(), detail=HOSTILE["image"])
    with dashboard(scene.settings, tmp_path) as running:
        watched = Watched(chromium, running.loaded().url)
        paths = ["/", "/series", "/alerts", *(f"/alerts/{it.fingerprint}" for it in (rule, huge))]
        paths += ["/alerts?q=H", "/quality", "/services", "/slos", "/pipeline"]
        paths += [
            "/series?" + httpx.QueryParams({"platform": it}).__str__() for it in HOSTILE.values()
        ]
        for path in paths:
            if running.get(path, Accept="text/html").status_code in (400, 404):
                continue
            page = watched.open(path)
            page.wait_for_timeout(300)
            assert page.evaluate("window.hacked") is None
            assert page.locator("main script, main img, [onerror]").count() == 0
            assert "H" * 2_001 not in page.locator("body").inner_text(), path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page = watched.open("/")
        assert "<script>window.hacked=1" in page.locator("main").inner_text()
        assert "\\u202egnp.exe" in page.locator("main").inner_text()
        watched.close()
        assert watched.complaints == []
        for path in ("overview", "alerts", "services", "pipeline", "series", "health"):
            assert running.get(f"/api/v1/{path}").status_code == 200, path


def test_with_a_read_token_nobody_sees_anything_without(scene: Scene, tmp_path: Path):
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_READ_TOKEN=READ_TOKEN) as running:
        running.until(lambda: running.get("/healthz").text == "ok\n")
        refused = running.get("/api/v1/overview")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert running.get("/metrics").status_code == 401
        page = running.get("/", Accept="text/html")
        assert (page.status_code, page.headers["Location"]) == (303, "/login?next=/")
        allowed = running.get("/api/v1/alerts", Authorization=f"Bearer {READ_TOKEN}")
        assert allowed.status_code in (200, 503)
        refused = httpx.post(
            f"{running.url}/api/v1/alerts/x/acknowledge",
            json={"by": "ada"},
            headers={"Authorization": f"Bearer {READ_TOKEN}"},
        )
        assert refused.status_code in (403, 404)


def test_without_topics_it_runs_and_says_what_is_missing(kafka: str, tmp_path: Path):
    with dashboard(Scene(kafka).settings, tmp_path) as running:
        running.until(lambda: running.health()["notices"])
        assert running.get("/", Accept="text/html").status_code == 200
        assert running.end() == 0


def test_an_address_for_others_is_refused_without_a_token(scene: Scene, tmp_path: Path):
    with pytest.raises(AssertionError, match="OPWATCH_DASHBOARD_READ_TOKEN"):
        Dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_HOST="0.0.0.0")
