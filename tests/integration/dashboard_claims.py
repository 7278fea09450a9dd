"""Claim what a dashboard shows of a day that it has read, and what it refuses."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from tests.browser import Watched, reach, unusable
from tests.dashboard_samples import HOUR_MS, Traffic, opened
from tests.dashboard_scene import TOKEN, Dashboard, Scene

PAGES = (
    *("/", "/?span=24h", "/series?platform=workday&before=1&span=6h", "/alerts"),
    *("/quality?span=6h", "/services?span=24h", "/slos", "/pipeline"),
)


class Day(NamedTuple):
    """A day on the topics, a dashboard that has read it, and a page of it in a browser."""

    scene: Scene
    traffic: Traffic
    running: Dashboard
    now_ms: int
    watched: Watched


#: What has to be true of a day: it is published, read and looked at once for all of these.
CLAIMS: list[Callable[[Day], None]] = []


def claim(check: Callable[[Day], None]) -> Callable[[Day], None]:
    CLAIMS.append(check)
    return check


@claim
def figures_of_a_span_are_those_of_its_operations(day: Day) -> None:
    answer = day.running.get("/api/v1/health?span=6h").json()
    since_ms = int(datetime.fromisoformat(answer["from"]).timestamp() * 1000)
    count, failed = day.traffic.counted(since_ms)
    assert (answer["attempts"], answer["failures"]) == (count, failed)
    assert sum(answer["failures_by_type"].values()) == failed
    assert answer["success_rate"] == (count - failed) / count
    assert answer["services"][0] | {"since": "", "uptime": 0} == answer["services"][0] | {
        "service": "crawler", "status": "down", "since": "", "uptime": 0,
    }  # fmt: skip
    assert answer["quality"]["overall"]["analyses"] > 0


@claim
def platforms_have_their_own_figures_the_worst_first(day: Day) -> None:
    answer = day.running.get("/api/v1/overview?span=24h").json()
    since_ms = int(datetime.fromisoformat(answer["from"]).timestamp() * 1000)
    for row in answer["platforms"]:
        counted = day.traffic.counted(since_ms, row["platform"])
        assert (row["attempts"], row["failures"]) == counted
    rates = [row["success_rate"] for row in answer["platforms"]]
    assert rates == sorted(rates)
    assert answer["claim"]["verdict"] == "broken"


@claim
def the_day_is_remembered_hour_by_hour(day: Day) -> None:
    answer = day.running.get("/api/v1/series?span=24h&platform=lever").json()
    assert len(answer["windows"]) > 150
    assert answer["series"] == '*{platform="lever"}'
    assert HOUR_MS * 24 <= _length_ms(answer) <= HOUR_MS * 25


@claim
def health_answers_a_person_and_a_machine(day: Day) -> None:
    page = day.running.get("/health", Accept="text/html,application/xhtml+xml")
    assert "Success rate" in page.text
    assert day.running.health()["status"] in ("ok", "degraded")


@claim
def times_are_written_as_machines_read_them(day: Day) -> None:
    page = day.running.get("/alerts", Accept="text/html").text
    found = re.findall(r'<time datetime="([^"]+)"', page)
    assert found
    for text in found:
        assert datetime.fromisoformat(text) <= datetime.now(UTC)


@claim
def everybody_can_use_every_page_and_it_asks_no_other_host(day: Day) -> None:
    watched = day.watched
    for path in [*PAGES, f"/alerts/{opened(day.now_ms).fingerprint}"]:
        page = watched.open(path)
        assert unusable(page) == [], path
        page.emulate_media(color_scheme="light")
        assert unusable(page, "color-contrast") == [], path
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.set_viewport_size({"width": 1400, "height": 900})
        assert watched.complaints == [], path


@claim
def everybody_can_sign_in(day: Day) -> None:
    page = day.watched.page
    page.goto(day.running.url + "/login")
    assert unusable(page) == []


@claim
def the_window_under_the_line_is_reached_by_keyboard(day: Day) -> None:
    page = day.watched.open("/series?platform=workday&span=1h")
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


@claim
def an_alert_opens_into_its_whole_story(day: Day) -> None:
    page = day.watched.open("/alerts")
    page.get_by_role("link", name="high error rate").first.click()
    page.wait_for_selector('#live[data-state="live"]')
    text = page.locator("main").inner_text()
    for part in ("Error rate 16.9 %", "slack_engineering", "200 ok", "below severity", "op-17"):
        assert part in text
    assert day.watched.complaints == []


@claim
def alerts_are_found_by_words(day: Day) -> None:
    page = day.watched.open("/alerts?q=crawler")
    assert page.locator("[data-section=open] tbody tr").count() == 1
    reach(page, page.locator("input[name=q]"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("workday")
    page.keyboard.press("Enter")
    page.wait_for_selector('#live[data-state="live"]')
    assert "q=workday" in page.url
    assert page.locator("[data-section=open] tbody tr").count() == 1


@claim
def a_link_to_times_shows_what_was_there_then(day: Day) -> None:
    page = day.watched.open("/series?platform=workday&span=6h")
    rows = page.locator("[data-section=table] tbody tr").count()
    page.get_by_role("link", name="Link to these times").click()
    page.get_by_role("link", name="Up to now").wait_for()
    assert "from=" in page.url
    assert abs(page.locator("[data-section=table] tbody tr").count() - rows) <= 1
    for wrong in ("from=x&to=y", "from=2026-11-27", "from=2026-11-27&to=2026-11-26"):
        assert day.running.get(f"/series?{wrong}", Accept="text/html").status_code == 400


@claim
def remedies_are_shown_with_what_they_came_to(day: Day) -> None:
    text = day.watched.open("/quality?span=6h").locator("[data-section=remediations]").inner_text()
    assert "Asked for 4 times in the last 6h; 2 were repeated and scored, 1 of them better" in text
    assert "reanalyse\t3\t2\t1\t0.500\t0.650" in text


@claim
def a_change_of_the_quality_version_is_a_mark(day: Day) -> None:
    page = day.watched.open("/series?platform=workday&span=6h")
    assert "quality version b7e1, before a3c0" in page.locator("[data-section=marks]").inner_text()
    assert page.locator("#chart-quality .mark-version").count() == 1


@claim
def the_theme_is_chosen_by_keyboard_and_stays(day: Day) -> None:
    page = day.watched.open("/")
    reach(page, page.locator("#theme"))
    for theme in ("light", "dark"):
        page.keyboard.press("Enter")
        assert page.locator("html").get_attribute("data-theme") == theme
        page.reload()
        assert page.locator("html").get_attribute("data-theme") == theme
        reach(page, page.locator("#theme"))
    page.evaluate("localStorage.clear()")


@claim
def only_who_has_the_token_acts(day: Day) -> None:
    fingerprint = opened(day.now_ms).fingerprint
    place, post = f"/api/v1/alerts/{fingerprint}/acknowledge", day.running.client.post
    form = {"by": "ada"}
    own = {"Origin": day.running.url}
    assert post(place, json=form, headers=own).status_code == 403
    assert post(place, json=form).status_code == 403
    wrong = {"Authorization": "Bearer wrong-0123456789abcdef"}
    assert post(place, json=form, headers=wrong).status_code == 401
    page = f"/alerts/{fingerprint}/acknowledge"
    assert post(page, data=form, headers=own).status_code == 403
    forged = {"Cookie": "opwatch_session=actor.99999999999.00", **own}
    assert post(page, data=form, headers=forged).status_code == 403


@claim
def who_signs_out_is_signed_out_on_all_pages_that_are_open(day: Day) -> None:
    context = day.watched.context
    first, second = context.new_page(), context.new_page()
    first.goto(day.running.url + "/login?next=/alerts")
    first.get_by_label("Token").fill(TOKEN)
    first.keyboard.press("Enter")
    first.wait_for_selector('#live[data-state="live"]')
    cookie = context.cookies()[0]["value"]
    second.goto(day.running.url)
    second.get_by_role("button", name="Log out").click()
    # Its connection is closed, and it loads as anybody sees it.
    first.get_by_role("button", name="Log out").wait_for(state="detached")
    first.wait_for_selector('#live[data-state="live"]')
    place = f"{day.running.url}/alerts/{opened(day.now_ms).fingerprint}/acknowledge"
    again = {"Cookie": f"opwatch_session={cookie}", "Origin": day.running.url}
    assert httpx.post(place, data={"by": "mallory"}, headers=again).status_code == 403
    first.close()
    second.close()


@claim
def nothing_is_asked_for_from_another_origin(day: Day) -> None:
    url = day.running.url
    cookie = httpx.post(
        url + "/login", data={"token": TOKEN, "next": "/"}, headers={"Origin": url}
    ).cookies["opwatch_session"]
    headers = {"Cookie": f"opwatch_session={cookie}", "Origin": "https://evil.example"}
    place = f"{url}/alerts/{opened(day.now_ms).fingerprint}/acknowledge"
    assert httpx.post(place, data={"by": "mallory"}, headers=headers).status_code == 403
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    refused = day.running.get("/live?page=/", **upgrade, Origin="https://evil.example")
    assert refused.status_code == 403
    assert day.running.get("/live?page=/", **upgrade).status_code == 403


@claim
def another_name_of_this_machine_is_not_answered(day: Day) -> None:
    for path in ("/", "/api/v1/overview", "/healthz", "/static/page.js", "/live?page=/"):
        assert day.running.get(path, Host="evil.example").status_code == 421, path


@claim
def only_pages_of_listed_origins_read_the_api(day: Day) -> None:
    listed = day.running.get("/api/v1/health", Origin="https://status.example.com")
    assert listed.headers["Access-Control-Allow-Origin"] == "https://status.example.com"
    wrong = day.running.get("/api/v1/health?span=9y", Origin="https://status.example.com")
    assert (wrong.status_code, "span" in wrong.json()["error"]) == (400, True)
    assert wrong.headers["Access-Control-Allow-Origin"] == "https://status.example.com"
    other = day.running.get("/api/v1/health", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Access-Control-Allow-Origin" not in day.running.get(
        "/", Origin="https://status.example.com"
    ).headers  # fmt: skip


@claim
def every_answer_has_the_headers_that_protect_it(day: Day) -> None:
    for path in ("/", "/nothing", "/static/page.css", "/api/v1/overview", "/login", "/healthz"):
        headers = day.running.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def _length_ms(answer: dict[str, str]) -> float:
    since, until = (datetime.fromisoformat(answer[it]) for it in ("from", "to"))
    return 1000 * (until - since).total_seconds()
