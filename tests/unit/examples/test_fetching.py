"""Pages come over real connections: whole, gone, cut, or not in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from examples.job_parser import site as sites
from examples.job_parser.fetching import Fetcher, PageGone
from examples.job_parser.pages import RENDER
from examples.job_parser.postings import posting
from examples.job_parser.site import LOOPBACK, Site

PLATFORM = "lever"
NUMBERS = range(sites.PLATFORMS[PLATFORM].jobs)
GONE = next(number for number in NUMBERS if posting(PLATFORM, number).gone)
THERE = next(number for number in NUMBERS if not posting(PLATFORM, number).gone)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    await site.stop()


@pytest.fixture
async def fetcher(site: Site) -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(LOOPBACK, await site.start(), timeout_s=5)
    yield fetcher
    fetcher.close()


def whole() -> bytes:
    return RENDER[PLATFORM](posting(PLATFORM, THERE)).encode()


async def test_a_page_comes_as_it_was_rendered_also_on_a_kept_connection(fetcher: Fetcher):
    for _ in range(2):
        assert await fetcher.get(f"/{PLATFORM}/{THERE}") == whole()
    assert len(fetcher._idle) == 1


async def test_a_post_that_was_taken_down_is_gone(fetcher: Fetcher):
    with pytest.raises(PageGone):
        await fetcher.get(f"/{PLATFORM}/{GONE}")
    assert await fetcher.get(f"/{PLATFORM}/{THERE}") == whole()


async def test_in_trouble_pages_are_cut_and_every_fourth_stalls(
    site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
):
    site.in_trouble = (PLATFORM,)
    pages = [await fetcher.get(f"/{PLATFORM}/{THERE}") for _ in range(3)]
    assert pages == [whole()[: int(len(whole()) * sites._CUT)]] * 3

    monkeypatch.setattr(fetcher, "_timeout_s", 0.05)
    with pytest.raises(TimeoutError):
        await fetcher.get(f"/{PLATFORM}/{THERE}")
    # What the stalled page left unread is no other page's beginning.
    assert not fetcher._idle

    site.in_trouble = ()
    monkeypatch.setattr(fetcher, "_timeout_s", 5)
    assert await fetcher.get(f"/{PLATFORM}/{THERE}") == whole()


async def test_a_site_that_hangs_up_in_the_middle_is_an_error():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    async with await asyncio.start_server(hang_up, LOOPBACK, 0) as server:
        fetcher = Fetcher(LOOPBACK, server.sockets[0].getsockname()[1])
        with pytest.raises(asyncio.IncompleteReadError):
            await fetcher.get("/lever/1")
        assert not fetcher._idle
