"""The dashboard shows what is published, in a real browser, and does nothing that it may not."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from schemas.topics import AGGREGATES
from tests import dashboard_scene
from tests.browser import Watched, browser
from tests.dashboard_scene import (
    HOUR_MS,
    MINUTE_MS,
    READ_TOKEN,
    TOKEN,
    Dashboard,
    Scene,
    Traffic,
    dashboard,
    opened,
    traffic,
)

pytestmark = pytest.mark.timeout(180)
PAGES = (
    *("/", "/?span=24h", "/series?platform=workday&before=1&span=6h", "/alerts"),
    *("/quality?span=6h", "/services?span=24h", "/slos", "/pipeline"),
)
HOSTILE = {
    "script": "<script>window.hacked=1;alert(1)</script>",
    "image": '"><img src=x onerror="window.hacked=1">',
    "braces": "{{ 7*7 }}{% raw %}",
    "bidi": "\u202egnp.exe \u2066x",
    "arabic": "منصة",
    "emoji": "👩‍💻 platform",
    "long": "W" * 128,
    "control": "a\u0000b\u001b[31mred",
}


class Filled(NamedTuple):
    """A day on the topics, and a dashboard that has read it."""

    scene: Scene
    traffic: Traffic
    running: Dashboard
    now_ms: int


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def filled(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    scene = Scene(kafka)
    scene.make()
    now_ms = int(time.time() * 1000)
    found = dashboard_scene.fill(scene, now_ms)
    origin = "https://status.example.com"
    with dashboard(
        scene.settings,
        tmp_path_factory.mktemp("dashboard"),
        OPWATCH_DASHBOARD_TOKEN=TOKEN,
        OPWATCH_DASHBOARD_CLAIM="96-99",
        OPWATCH_DASHBOARD_ORIGINS=origin,
    ) as running:
        yield Filled(scene, found, running.loaded(), now_ms)
    scene.remove()


@pytest.fixture
def scene(kafka: str) -> Iterator[Scene]:
    made = Scene(kafka)
    made.make()
    yield made
    made.remove()


@pytest.fixture
def watched(chromium: Browser, filled: Filled) -> Iterator[Watched]:
    made = Watched(chromium, filled.running.url)
    yield made
    made.close()


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


def test_figures_of_a_span_are_those_of_its_operations(filled: Filled):
    answer = filled.running.get("/api/v1/health?span=6h").json()
    since_ms = int(datetime.fromisoformat(answer["from"]).timestamp() * 1000)
    count, failed = filled.traffic.counted(since_ms)
    assert (answer["attempts"], answer["failures"]) == (count, failed)
    assert sum(answer["failures_by_type"].values()) == failed
    assert answer["success_rate"] == (count - failed) / count
    assert answer["services"][0] | {"since": "", "uptime": 0} == answer["services"][0] | {
        "service": "crawler", "status": "down", "since": "", "uptime": 0,
    }  # fmt: skip
    assert answer["quality"]["overall"]["analyses"] > 0


def test_platforms_have_their_own_figures_the_worst_first(filled: Filled):
    answer = filled.running.get("/api/v1/overview?span=24h").json()
    since_ms = int(datetime.fromisoformat(answer["from"]).timestamp() * 1000)
    for row in answer["platforms"]:
        counted = filled.traffic.counted(since_ms, row["platform"])
        assert (row["attempts"], row["failures"]) == counted
    rates = [row["success_rate"] for row in answer["platforms"]]
    assert rates == sorted(rates)
    assert answer["claim"]["verdict"] == "broken"


@pytest.mark.parametrize("path", [*PAGES, "alert"])
def test_everybody_can_use_every_page_and_it_asks_no_other_host(
    watched: Watched, filled: Filled, path: str
):
    if path == "alert":
        path = f"/alerts/{opened(filled.now_ms).fingerprint}"
    page = watched.open(path)
    page.wait_for_timeout(1200)  # a change or two comes meanwhile
    assert unusable(page) == []
    page.emulate_media(color_scheme="light")
    assert unusable(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints == []


def test_everybody_can_sign_in(chromium: Browser, filled: Filled):
    watched = Watched(chromium, filled.running.url)
    watched.page.goto(filled.running.url + "/login")
    assert unusable(watched.page) == []
    watched.close()


def unusable(page: Page) -> list[str]:
    """Return what keeps people from using a page, by axe-core."""
    return [
        f"{it['id']}: {[node['html'][:120] for node in it['nodes'][:3]]}"
        for it in Axe().run(page).response["violations"]
        if it["impact"] in ("serious", "critical")
    ]


def test_the_window_under_the_line_is_reached_by_keyboard(watched: Watched):
    page = watched.open("/series?platform=workday&span=1h")
    page.locator("#chart-success .plot").focus()
    page.keyboard.press("End")
    newest = page.locator("#point").inner_text()
    page.keyboard.press("ArrowLeft")
    before = page.locator("#point").inner_text()
    assert "Success" in newest
    assert newest != before
    page.keyboard.press("Enter")
    assert "Escape" in page.locator("#point").inner_text()
    assert page.locator(".cross:visible").count() == page.locator(".plot").count()


def test_an_alert_opens_into_its_whole_story(watched: Watched):
    page = watched.open("/alerts")
    page.get_by_role("link", name="high error rate").first.click()
    page.wait_for_selector('#live[data-state="live"]')
    text = page.locator("main").inner_text()
    for part in ("Error rate 16.9 %", "slack_engineering", "200 ok", "below severity", "op-17"):
        assert part in text
    assert watched.complaints == []


def test_alerts_are_found_by_words(watched: Watched):
    page = watched.open("/alerts?q=crawler")
    assert page.locator("[data-section=open] tbody tr").count() == 1
    page.locator("input[name=q]").fill("workday")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector('#live[data-state="live"]')
    assert "q=workday" in page.url
    assert page.locator("[data-section=open] tbody tr").count() == 1


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
        aggregates += dashboard_scene.service_windows(name, now_ms, hours=1)
    # What no decoder of ours would write: half a character.
    scene.aggregates([*aggregates, aggregates[0].replace(b'"*"', b'"\\ud800"')])
    rule = opened(
        now_ms,
        series=HOSTILE["script"],
        labels={"a": HOSTILE["image"], "platform": HOSTILE["script"]},
        summary="S" * 10_000 + HOSTILE["image"],
        runbook="javascript:alert(1)",
        exemplars=[{"id": HOSTILE["image"], "success": False, "duration_ms": 1, "error_type": "x"}],
    )
    scene.breaches(rule)
    scene.decide(
        rule, "sent", HOSTILE["script"], sentence=HOSTILE["image"], answer=HOSTILE["script"]
    )
    scene.refuse(HOSTILE["script"].encode(), detail=HOSTILE["image"])
    with dashboard(scene.settings, tmp_path) as running:
        watched = Watched(chromium, running.loaded().url)
        paths = ["/", "/alerts", f"/alerts/{rule.fingerprint}", "/pipeline", "/services"]
        paths += [
            "/series?" + httpx.QueryParams({"platform": it}).__str__() for it in HOSTILE.values()
        ]
        for path in paths:
            if running.get(path, Accept="text/html").status_code == 404:
                continue
            page = watched.open(path)
            page.wait_for_timeout(300)
            assert page.evaluate("window.hacked") is None
            assert page.locator("main script, main img, [onerror]").count() == 0
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page = watched.open("/")
        assert "<script>window.hacked=1" in page.locator("main").inner_text()
        assert "\\u202egnp.exe" in page.locator("main").inner_text()
        watched.close()
        assert watched.complaints == []
        for path in ("overview", "alerts", "services", "pipeline", "series", "health"):
            assert running.get(f"/api/v1/{path}").status_code == 200, path


# -------------------------------------------------------------------- who may


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
        "PYTHONPATH": str(dashboard_scene.ROOT),
    }
    command = [sys.executable, "-m", "agents.cli", "worker", "alert"]
    with (folder / "alert.log").open("wb") as log:
        worker = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        worker.kill()
        worker.wait(10)


def test_only_who_has_the_token_acts(filled: Filled):
    fingerprint = opened(filled.now_ms).fingerprint
    place, post = f"/api/v1/alerts/{fingerprint}/acknowledge", filled.running.client.post
    form = {"by": "ada"}
    own = {"Origin": filled.running.url}
    assert post(place, json=form, headers=own).status_code == 403
    assert post(place, json=form).status_code == 403
    wrong = {"Authorization": "Bearer wrong-0123456789abcdef"}
    assert post(place, json=form, headers=wrong).status_code == 401
    page = f"/alerts/{fingerprint}/acknowledge"
    assert post(page, data=form, headers=own).status_code == 403
    forged = {"Cookie": "opwatch_session=actor.99999999999.00", **own}
    assert post(page, data=form, headers=forged).status_code == 403


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


def test_nothing_is_asked_for_from_another_origin(filled: Filled):
    url = filled.running.url
    cookie = httpx.post(
        url + "/login", data={"token": TOKEN, "next": "/"}, headers={"Origin": url}
    ).cookies["opwatch_session"]
    headers = {"Cookie": f"opwatch_session={cookie}", "Origin": "https://evil.example"}
    place = f"{url}/alerts/{opened(filled.now_ms).fingerprint}/acknowledge"
    assert httpx.post(place, data={"by": "mallory"}, headers=headers).status_code == 403
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    refused = filled.running.get("/live?page=/", **upgrade, Origin="https://evil.example")
    assert refused.status_code == 403
    assert filled.running.get("/live?page=/", **upgrade).status_code == 403


def test_another_name_of_this_machine_is_not_answered(filled: Filled):
    for path in ("/", "/api/v1/overview", "/healthz", "/static/page.js", "/live?page=/"):
        assert filled.running.get(path, Host="evil.example").status_code == 421, path


def test_only_pages_of_listed_origins_read_the_api(filled: Filled):
    listed = filled.running.get("/api/v1/health", Origin="https://status.example.com")
    assert listed.headers["Access-Control-Allow-Origin"] == "https://status.example.com"
    wrong = filled.running.get("/api/v1/health?span=9y", Origin="https://status.example.com")
    assert (wrong.status_code, "span" in wrong.json()["error"]) == (400, True)
    assert wrong.headers["Access-Control-Allow-Origin"] == "https://status.example.com"
    other = filled.running.get("/api/v1/health", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Access-Control-Allow-Origin" not in filled.running.get(
        "/", Origin="https://status.example.com"
    ).headers  # fmt: skip


def test_every_answer_has_the_headers_that_protect_it(filled: Filled):
    for path in ("/", "/nothing", "/static/page.css", "/api/v1/overview", "/login", "/healthz"):
        headers = filled.running.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


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


# -------------------------------------------------------------------- its own life


def test_it_ends_well_while_pages_are_open(scene: Scene, chromium: Browser, tmp_path: Path):
    with dashboard(scene.settings, tmp_path) as running:
        watched = Watched(chromium, running.url)
        watched.open("/")
        assert running.end() == 0
        watched.page.wait_for_selector('#live[data-state="stale"]')
        assert "Connection lost" in watched.page.locator("#live").inner_text()
        watched.close()


def test_a_page_reconnects_by_itself(scene: Scene, chromium: Browser, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_PORT=port) as running:
        watched = Watched(chromium, running.url)
        page = watched.open("/")
        running.end()
        page.wait_for_selector('#live:not([data-state="live"])')
    with dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_PORT=port):
        page.wait_for_selector('#live[data-state="live"]', timeout=30_000)
        watched.close()


def test_a_page_says_that_no_worker_counts(scene: Scene, chromium: Browser, tmp_path: Path):
    with dashboard(scene.settings, tmp_path) as running:
        watched = Watched(chromium, running.loaded().url)
        page = watched.open("/")
        page.get_by_text("No measure worker has published anything").wait_for()
        running.until(lambda: running.health()["status"] == "degraded")
        give_up_s = time.monotonic() + 30
        while page.get_by_text("No measure worker").count() and time.monotonic() < give_up_s:
            scene.progress()
            page.wait_for_timeout(300)
        assert page.get_by_text("No measure worker").count() == 0
        watched.close()


def test_without_topics_it_runs_and_says_what_is_missing(kafka: str, tmp_path: Path):
    with dashboard(Scene(kafka).settings, tmp_path) as running:
        running.until(lambda: running.health()["notices"])
        assert running.get("/", Accept="text/html").status_code == 200
        assert running.end() == 0


def test_an_address_for_others_is_refused_without_a_token(scene: Scene, tmp_path: Path):
    with pytest.raises(AssertionError, match="OPWATCH_DASHBOARD_READ_TOKEN"):
        Dashboard(scene.settings, tmp_path, OPWATCH_DASHBOARD_HOST="0.0.0.0")


def test_health_answers_a_person_and_a_machine(filled: Filled):
    page = filled.running.get("/health", Accept="text/html,application/xhtml+xml")
    assert "Success rate" in page.text
    assert filled.running.health()["status"] in ("ok", "degraded")


def test_times_are_written_as_machines_read_them(filled: Filled):
    page = filled.running.get("/alerts", Accept="text/html").text
    found = re.findall(r'<time datetime="([^"]+)"', page)
    assert found
    for text in found:
        assert datetime.fromisoformat(text) <= datetime.now(UTC)


def test_the_day_is_remembered_hour_by_hour(filled: Filled):
    answer = filled.running.get("/api/v1/series?span=24h&platform=lever").json()
    assert len(answer["windows"]) > 150
    assert answer["series"] == '*{platform="lever"}'
    assert HOUR_MS * 24 <= _length_ms(answer) <= HOUR_MS * 25


def _length_ms(answer: dict[str, str]) -> float:
    since, until = (datetime.fromisoformat(answer[it]) for it in ("from", "to"))
    return 1000 * (until - since).total_seconds()
