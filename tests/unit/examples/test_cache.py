"""The cache forgets in time, and never holds more than it may."""

import pytest

from examples.job_parser.cache import TtlCache


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_entry_is_there_until_it_expires_and_says_for_how_long(clock: Clock):
    cache = TtlCache[bytes](10, clock)
    cache.put("a", b"page", ttl_s=5)

    clock.now_s += 4
    hit = cache.get("a")
    assert hit is not None
    assert hit.value == b"page"
    assert hit.ttl_s == pytest.approx(1)

    clock.now_s += 1
    assert cache.get("a") is None
    assert len(cache) == 0


def test_past_the_limit_the_least_recently_used_goes(clock: Clock):
    cache = TtlCache[int](2, clock)
    assert cache.put("a", 1, ttl_s=5) == 0
    assert cache.put("b", 2, ttl_s=5) == 0
    cache.get("a")

    assert cache.put("c", 3, ttl_s=5) == 1
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert len(cache) == 2


def test_what_had_expired_anyway_was_not_evicted(clock: Clock):
    cache = TtlCache[int](1, clock)
    cache.put("a", 1, ttl_s=5)
    clock.now_s += 6

    assert cache.put("b", 2, ttl_s=5) == 0


def test_putting_again_renews_the_entry(clock: Clock):
    cache = TtlCache[int](2, clock)
    cache.put("a", 1, ttl_s=5)
    clock.now_s += 4
    assert cache.put("a", 2, ttl_s=5) == 0
    clock.now_s += 4

    hit = cache.get("a")
    assert hit is not None
    assert hit.value == 2
