"""An acknowledge link lets its holder do one thing, until it expires."""

import asyncio
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agents.alert.links import LIFE_MS, BadLink, Links, command
from agents.alert.pages import Pages
from schemas.breaches import Breach
from schemas.commands import Acknowledge
from streams.messages.message import Message
from tests.acceptance.alert_scene import breach

LINKS = Links(secret=b"0123456789abcdef", public_url="https://opwatch.example.com/")
OTHERS = replace(LINKS, secret=b"fedcba9876543210")
NOW_MS = 1_795_000_000_000


def message(**changes) -> Message:
    made = breach(1, 1, "opened", since_ms=NOW_MS, series='x{platform="<b>"}', **changes)
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
    """The page, with what it published."""

    def __init__(self) -> None:
        self.published: list[Acknowledge] = []

    async def _publish(self, made: Acknowledge) -> None:
        self.published.append(made)

    def ask(self, method: str, path: str, **given) -> tuple[int, str, dict[str, str]]:
        async def asked() -> tuple[int, str, dict[str, str]]:
            app = web.Application()
            app.add_routes(Pages(LINKS, self._publish).routes)
            async with TestClient(TestServer(app)) as client:
                answer = await client.request(method, path, **given)
                return answer.status, await answer.text(), dict(answer.headers)

        return asyncio.run(asked())


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr("agents.alert.pages.now_ms", lambda: NOW_MS)
    return Page()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_fetching_a_link_acknowledges_nothing(live: Page, method: str):
    status, text, headers = live.ask(method, f"/acknowledge/{token()}")

    assert status == 200
    assert live.published == []
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    if method == "GET":
        assert "x{platform=&quot;&lt;b&gt;&quot;}" in text


def test_pressing_the_button_acknowledges_the_episode(live: Page):
    status, text, _ = live.ask(
        "POST", f"/acknowledge/{token()}", data={"by": " ann\r\n<x>", "comment": "on it"}
    )

    assert status == 200
    assert "ann &lt;x&gt;" in text
    [made] = live.published
    assert (made.by, made.comment, made.breach_id) == ("ann <x>", "on it", "breach-00001-0")


def test_without_a_name_nothing_is_acknowledged(live: Page):
    assert live.ask("POST", f"/acknowledge/{token()}", data={"by": "  "})[0] == 400
    assert live.published == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_forged_link_is_forbidden(live: Page, method: str):
    status, text, _ = live.ask(method, f"/acknowledge/{token(OTHERS)}", data={"by": "ann"})

    assert status == 403
    assert "not one of ours" in text
    assert live.published == []
