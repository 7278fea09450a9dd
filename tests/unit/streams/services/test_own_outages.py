"""An outage of our own is never a service's: what nobody heard is unknown."""

from typing import Any

import pytest

from streams.services.service_aggregate import revision_of_window
from tests.unit.streams.services_world import World, at, beat, beats, seconds


def test_our_own_outage_is_never_theirs(world: World):
    world.listens(0, 20, *beats(0, 21))
    world.start()  # killed, and back after ten minutes
    world.hears(*beats(30, 611), now_s=620)

    world.listens(620, 640, *beats(620, 641))

    assert "down" not in {one["status"] for one in world.said}
    assert seconds(world.window("5m", 0)) == (300, 0, 0, 0)  # they lay in the log


def test_silence_in_the_log_while_we_were_away_is_unknown(world: World):
    world.listens(0, 20, *beats(0, 21))
    world.start()
    world.hears(*beats(300, 611), now_s=620)

    world.listens(620, 640, *beats(620, 641))

    assert seconds(world.window("5m", 0)) == (52, 0, 0, 248)
    assert "down" not in {one["status"] for one in world.said}


def test_silence_is_judged_three_intervals_after_the_assignment(world: World):
    world.listens(0, 20, *beats(0, 21))
    world.start()

    world.listens(100, 131)
    assert world.now()["status"] == "unknown"
    world.listens(132, 134)

    assert world.now()["status"] == "down"
    assert world.now()["since_ms"] == at(100) - 1  # we listened since then


def test_who_was_silent_before_our_outage_stays_down_and_what_nobody_heard_is_unknown(
    world: World,
):
    world.listens(0, 100, *beats(0, 21))
    world.start()

    said = world.look(400)

    current = [one for one in said if not one["final"]]
    assert {one["status"] for one in current} <= {"down"}
    assert world.now()["since_ms"] == at(52)
    world.listens(401, 420)
    assert seconds(world.window("5m", 0)) == (52, 0, 48, 200)
    assert seconds(world.window("5m", 300))[3] == pytest.approx(100, abs=0.002)


def test_nobody_is_judged_before_the_log_is_read_to_its_end(world: World):
    world.listens(0, 20, *beats(0, 21))
    world.start()
    for now_s in range(100, 300):
        assert [one for one in world.look(now_s, at_end=False) if not one["final"]] == []

    world.hears(*beats(30, 301), now_s=300)
    world.look(301)

    assert world.now()["status"] == "up"
    assert "down" not in {one["status"] for one in world.said}


def test_while_kafka_is_away_nobody_is_silent(world: World):
    world.listens(0, 20, *beats(0, 21))
    for now_s in range(21, 200):  # the broker says nothing: its last word stays
        world.services.look(at(20), at(now_s))
        assert "down" not in {b for one in world.services.collect(at(now_s)) for b in [one.final]}

    world.listens(200, 215, beat(211, every_s=10))

    assert "down" not in {one["status"] for one in world.said}
    assert world.now()["status"] == "up"


def test_a_kill_between_publishing_and_writing_says_it_again(world: World):
    world.listens(0, 11, *beats(0, 20))
    world.hears(beat(12, "down"))
    world.services.look(at(13), at(13))
    first = [one.key for one in world.services.collect(at(13))]
    world.start()
    world.reads_again(0, 14)

    again = world.look(14)

    assert len(first) == len(again) == 6
    assert {one["status"] for one in again} == {"down"}


@pytest.mark.parametrize("days", [2, 6])
def test_a_gap_in_which_nobody_listened_takes_no_work(
    world: World, days: int, monkeypatch: pytest.MonkeyPatch
):
    world.listens(0, 120, *(beat(second) for second in range(0, 120, 10)))
    asked = []

    def counted(*given: Any) -> Any:
        asked.append(given[2])
        return revision_of_window(*given)

    monkeypatch.setattr("streams.services.services.revision_of_window", counted)
    world.start()
    world.hears(beat(days * 86_400), now_s=days * 86_400)
    world.look(days * 86_400, at_end=False)
    assert len(asked) < 100
    world.look(days * 86_400 + 200)
    assert world.window("1m", days * 86_400)["up_ms"] > 0
    assert world.window("1m", 0)["final"]
