"""An acknowledge link lets its holder do one thing, until it expires."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from agents.alert.ack_links import LIFE_MS, BadLink, Links, command
from agents.alert.ack_page import HEADERS, Pages
from agents.runtime.health import Health
from schemas.breaches import Breach
from schemas.commands import Acknowledge
from schemas.notifications import Notification
from streams.audit.log import CommandAnswer
from streams.channels.message import Message
from streams.channels.request import FORM as FORM_TYPE
from tests.acceptance.alert_scene import breach
from tests.unit.streams.alerting.world import World

LINKS = Links(secret=b"0123456789abcdef", public_url="https://opwatch.example.com/")
OTHERS = replace(LINKS, secret=b"fedcba9876543210")
NOW_MS = 1_795_000_000_000


def message(**changes) -> Message:
    made = breach(1, 1, "opened", since_ms=NOW_MS, series='x{platform="<b>"}') | changes
    return Message(
        delivery="d", event="opened", breach=Breach.model_validate(made), created_ms=NOW_MS
    )


def token(links: Links = LINKS) -> str:
    return links.url_of(message()).rpartition("/")[2]


def test_a_link_names_its_episode_and_is_the_same_each_time():
    assert LINKS.url_of(message()) == LINKS.url_of(message())
    assert LINKS.url_of(message()).startswith("https://opwatch.example.com/acknowledge/")
    claim = LINKS.read(token(), NOW_MS)
    assert (claim.fingerprint, claim.breach_id) == ("alert-00001", "breach-00001-0")


@pytest.mark.parametrize(
    "bad",
    [
        token(OTHERS),
        token()[:-1],
        token() + "A",
        "A" + token(),
        "",
        ".",
        "é.é",
        "x" * 5000,
    ],
)
def test_a_link_that_we_did_not_sign_does_nothing(bad: str):
    with pytest.raises(BadLink):
        LINKS.read(bad, NOW_MS)


def test_a_link_expires():
    LINKS.read(token(), NOW_MS + LIFE_MS - 1)
    with pytest.raises(BadLink, match="expired"):
        LINKS.read(token(), NOW_MS + LIFE_MS)


def test_no_repr_shows_the_secret():
    assert "0123456789abcdef" not in repr(LINKS)


def test_pressing_twice_is_one_command():
    claim = LINKS.read(token(), NOW_MS)

    assert command(claim, "ann", "", 1).id == command(claim, "ann", "again", 2).id


class Page:
    """The page of a worker on duty, with what it asked for."""

    def __init__(self) -> None:
        self.asked: list[Acknowledge] = []
        self.world = World()
        self.on_duty = True
        self.answers = True
        self.world.take_breach(message().breach)

    async def _ask(self, made: Acknowledge) -> Notification | None:
        self.asked.append(made)
        self.world.command(made)
        answer = CommandAnswer(self.world.offset)
        for decision in self.world.said():
            answer.take(decision)
        return answer.decision if self.answers else None

    def ask(self, method: str, path: str, **given) -> tuple[int, str, dict[str, str]]:
        async def asked() -> tuple[int, str, dict[str, str]]:
            pages = Pages(LINKS, self._ask, self.world.alerting.alert, lambda: self.on_duty)
            health = Health("127.0.0.1", 0, lambda: None)
            health.serve(pages.routes, HEADERS)
            await health.start()
            try:
                async with ClientSession() as client:
                    url = f"http://127.0.0.1:{health.port}{path}"
                    answer = await client.request(method, url, allow_redirects=False, **given)
                    return answer.status, await answer.text(), dict(answer.headers)
            finally:
                await health.stop()

        return asyncio.run(asked())


PATH = f"/acknowledge/{token()}"
FORM = {"by": "ann"}


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr("agents.alert.ack_page.now_ms", lambda: NOW_MS)
    return Page()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_fetching_a_link_acknowledges_nothing(live: Page, method: str):
    status, text, headers = live.ask(method, PATH)

    assert status == 200
    assert live.asked == []
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    if method == "GET":
        assert "x{platform=&quot;&lt;b&gt;&quot;}" in text
        for fact in ("firing", "high", "succeeded in 80 %", "2026-11-18"):
            assert fact in text


def test_pressing_the_button_acknowledges_the_episode_and_says_so(live: Page):
    status, text, _ = live.ask("POST", PATH, data={"by": " ann\r\n<x>", "comment": "on it"})

    assert status == 200
    assert "is acknowledged by ann &lt;x&gt;" in text
    assert "on it" in text
    assert "<form" not in text
    [made] = live.asked
    assert (made.by, made.comment, made.breach_id) == ("ann <x>", "on it", "breach-00001-0")
    assert live.world.alerting.alert("alert-00001").phase == "acknowledged"


def test_who_comes_second_sees_who_has_it(live: Page):
    live.ask("POST", PATH, data=FORM)
    for method, expected in (("GET", 200), ("POST", 409)):
        status, text, _ = live.ask(method, PATH, data={"by": "bob"} if method == "POST" else None)
        assert status == expected
        assert "is acknowledged by ann" in text
        assert "<form" not in text


def test_pressing_twice_is_as_well(live: Page):
    live.ask("POST", PATH, data=FORM)
    status, text, _ = live.ask("POST", PATH, data=FORM)
    assert status == 200
    assert "is acknowledged by ann" in text


def test_what_is_over_is_shown_as_over(live: Page):
    live.world.take_breach(over())
    for method, expected in (("GET", 200), ("POST", 409)):
        status, text, _ = live.ask(method, PATH, data=FORM if method == "POST" else None)
        assert status == expected
        assert "is over" in text
        assert "<form" not in text


def over():
    return message().breach.model_copy(
        update={"state": "resolved", "revision": 2, "resolved_ms": NOW_MS, "why": "condition_gone"}
    )


def test_another_episode_is_shown_as_another(live: Page):
    live.world.take_breach(over())
    live.world.take_breach(
        message().breach.model_copy(update={"id": "another", "since_ms": NOW_MS + 1})
    )
    for method, expected in (("GET", 200), ("POST", 409)):
        status, text, _ = live.ask(method, PATH, data=FORM if method == "POST" else None)
        assert status == expected
        assert "fires again" in text
        assert "<form" not in text
    assert live.world.alerting.alert("alert-00001").phase == "firing"


def test_an_alert_that_nobody_knows_any_more_is_said_to_be_over(live: Page):
    live.world = World()
    status, text, _ = live.ask("GET", PATH)
    assert status == 200
    assert "over long ago" in text


def test_a_worker_that_stands_by_asks_the_one_on_duty(live: Page):
    live.on_duty = False
    assert "stands by" in live.ask("GET", PATH)[1]
    status, text, _ = live.ask("POST", PATH, data=FORM)
    assert (status, "Acknowledged by ann" in text) == (200, True)


def test_a_decision_that_does_not_come_is_said_not_to_have_come(live: Page):
    live.answers = False
    status, text, _ = live.ask("POST", PATH, data=FORM)
    assert status == 202
    assert "counts as soon as one runs" in text


def test_without_a_name_nothing_is_acknowledged(live: Page):
    assert live.ask("POST", PATH, data={"by": "  "})[0] == 400
    assert live.asked == []


@pytest.mark.parametrize(
    ("status", "given"),
    [
        (400, {"data": "by=ann&by=bob", "headers": {"content-type": FORM_TYPE}}),
        (400, {"data": b"by=\xff\xfe", "headers": {"content-type": FORM_TYPE}}),
        (
            400,
            {
                "data": "x=1&" * 99,
                "headers": {"content-type": FORM_TYPE},
            },
        ),
        (400, {"data": b"by=" + b"x" * 100_000, "headers": {"content-type": FORM_TYPE}}),
        (400, {"data": b"", "headers": {"content-type": FORM_TYPE}}),
        (415, {"data": b'{"by":"ann"}', "headers": {"content-type": "application/json"}}),
        (415, {"data": b"--x", "headers": {"content-type": "multipart/form-data"}}),
        (415, {"data": b"by=ann", "headers": {"content-type": "\u00e9"}}),
        (415, {}),
    ],
)
def test_what_is_no_form_is_refused_with_a_sentence(live: Page, status: int, given):
    answer = live.ask("POST", PATH, **given)
    assert answer[0] == status
    assert "Nothing was acknowledged" in answer[1]
    assert live.asked == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(live: Page, method: str):
    status, _, headers = live.ask(method, PATH)
    assert status == 405
    assert headers["Cache-Control"] == "no-store"
    assert live.asked == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_forged_link_is_forbidden(live: Page, method: str):
    path = f"/acknowledge/{token(OTHERS)}"
    status, text, headers = live.ask(method, path, data=FORM if method == "POST" else None)

    assert status == 403
    assert "not one of ours" in text
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert live.asked == []


@pytest.mark.parametrize(
    "name",
    ["", "/", ".", "..", "a/b", "%", "%2f%00", "é", "😀" * 128, "\n", '"' * 5000, "x" * 10_000,
     "\u202e", "\u2028", "<script>", "{}", "?a=b#c", " "],
)  # fmt: skip
def test_a_link_works_whatever_the_names_are(live: Page, name: str):
    told = message(rule=name)
    told = replace(told, breach=told.breach.model_copy(update={"series": name}))
    live.world.take_breach(told.breach.model_copy(update={"revision": 2, "state": "updated"}))
    url = LINKS.url_of(told)
    assert url is not None
    assert len(url) < 2000
    path = url.removeprefix("https://opwatch.example.com")
    status, text, _ = live.ask("GET", path)
    assert status == 200
    assert "<script>" not in text
    assert len(text) < 10_000
    assert live.ask("POST", path, data=FORM)[0] == 200
    assert live.world.alerting.alert("alert-00001").phase == "acknowledged"


def test_ids_that_are_too_long_for_a_link_have_none():
    told = message()
    for name in ("x" * 5000, "\ud800"):
        assert (
            LINKS.url_of(replace(told, breach=told.breach.model_copy(update={"id": name}))) is None
        )
