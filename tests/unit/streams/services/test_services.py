"""A service is down when it says so or when we listened and heard nothing; else nobody knows."""

import pytest

from schemas.aggregates import AggregateRecord, ServiceAggregate
from tests.unit.streams.services_world import GRACE, World, at, beat, beats, seconds


def test_a_service_is_up_as_soon_as_it_says_so(world: World):
    world.hears(beat(0))

    said = world.look(1)

    assert {one["window"]["size"] for one in said} == {"1m", "5m", "1h", "6h", "24h", "7d"}
    assert {one["status"] for one in said} == {"up"}
    assert seconds(world.window()) == (1, 0, 0, 0)
    assert world.window()["last_beat_ms"] == at(0)
    assert world.window()["uptime"] == 1


def test_what_is_published_is_what_the_schema_says(world: World):
    world.listens(0, 90, *beats(0, 30), beat(30, "degraded", message="slow"))

    assert world.said
    for one in world.said:
        record = AggregateRecord.model_validate(one)
        assert isinstance(record.root, ServiceAggregate)
        assert set(one) == set(ServiceAggregate.model_fields)


def test_a_change_is_published_at_once_in_every_size(world: World):
    world.listens(0, 11, *beats(0, 20))
    world.hears(beat(12, "degraded", message="the queue is long"))

    said = world.look(12.5)

    assert len(said) == 6
    assert {(one["status"], one["since_ms"]) for one in said} == {("degraded", at(12))}
    assert {one["message"] for one in said} == {"the queue is long"}
    assert seconds(world.window()) == (12, 0.5, 0, 0)


def test_times_are_weighted(world: World):
    said = [*beats(0, 20), *beats(20, 30, "degraded"), *beats(30, 40, "down"), *beats(40, 80)]

    world.listens(0, 75, *said)

    assert seconds(world.window()) == (40, 10, 10, 0)
    assert world.window()["uptime"] == pytest.approx(50 / 60)
    assert world.window()["final"]


def test_a_window_is_final_a_grace_after_its_end(world: World):
    world.listens(0, 69, *beats(0, 70))
    assert not world.window()["final"]

    world.look(60 + GRACE / 1000)

    assert world.window()["final"]
    assert seconds(world.window()) == (60, 0, 0, 0)


def test_three_missed_beats_are_down_and_it_is_said_that_it_was_silence(world: World):
    world.listens(0, 51, *beats(0, 21))
    assert world.now()["status"] == "up"

    world.listens(52, 54)

    now = world.now()
    assert (now["status"], now["silent"], now["since_ms"]) == ("down", True, at(52))
    assert now["last_beat_ms"] == at(20)
    world.listens(55, 72)
    assert seconds(world.window()) == (52, 0, 8, 0)


def test_a_service_that_says_down_is_not_silent(world: World):
    world.hears(beat(0, "down"))
    world.look(1)

    assert (world.now()["status"], world.now()["silent"]) == ("down", False)


def test_a_service_is_up_again_with_its_first_beat(world: World):
    world.listens(0, 70, *beats(0, 21))
    world.hears(beat(70.2))

    said = world.look(70.5)

    assert {(one["status"], one["silent"]) for one in said if not one["final"]} == {("up", False)}
    assert world.window("1m", 60)["since_ms"] == at(70.2)


def test_nothing_is_said_of_services_that_never_spoke(world: World):
    world.listens(0, 200)

    assert world.said == []


def test_beats_that_waited_for_kafka_count_when_they_were_sent(world: World):
    world.listens(0, 100, *beats(0, 21))
    assert world.now()["status"] == "down"

    late = [beat(sent_s, lag_s=101 - sent_s) for sent_s in range(30, 101, 10)]
    world.hears(*late, now_s=101)
    world.look(102)

    assert seconds(world.window()) == (60, 0, 0, 0)
    assert world.window()["final"]
    assert world.now()["status"] == "up"


def test_a_clock_that_is_behind_or_ahead_makes_nobody_silent(world: World):
    behind = [beat(sent_s - 40, lag_s=40) for sent_s in range(0, 200, 10)]
    ahead = [beat(sent_s + 40, lag_s=-40) for sent_s in range(0, 200, 10)]
    for now_s in range(0, 200, 10):
        world.hears(behind[now_s // 10], service="behind")
        world.hears(ahead[now_s // 10], service="ahead")
        for more in range(10):
            world.look(now_s + more)

    assert {one["status"] for one in world.said} == {"up"}


def test_repeats_change_nothing(world: World):
    world.listens(0, 25, *beats(0, 21))
    for _ in range(3):
        world.hears(*beats(0, 21), now_s=25)

    world.listens(26, 75)

    assert seconds(world.window()) == (52, 0, 8, 0)


def test_a_repeat_that_comes_much_later_proves_nothing(world: World):
    world.listens(0, 60, *beats(0, 21))
    world.hears(beat(20, lag_s=50), now_s=70)
    world.listens(70, 75)

    assert world.now()["status"] == "down"
    assert seconds(world.window()) == (52, 0, 8, 0)


def test_beats_older_than_what_is_summed_up_are_refused(world: World):
    world.listens(0, 20, *beats(0, 21))
    world.hears(beat(8_000))
    world.look(8_000)

    assert world.hears(beat(10, lag_s=8_000 - 10), now_s=8_000) == "window_expired"


def test_a_long_life_keeps_its_row_small_and_its_windows_exact(world: World):
    for hour in range(3):
        world.hears(*beats(3_600 * hour, 3_600 * (hour + 1)), now_s=3_600 * (hour + 1))
        world.look(3_600 * (hour + 1))

    world.look(3 * 3_600 + 11)

    assert seconds(world.window("1h", 3_600)) == (3_600, 0, 0, 0)
    assert world.window("1h", 7_200)["final"]
    assert seconds(world.window("6h")) == (10_800, 0, 0, 0)
    assert len(world.table) == 1
    assert max(map(len, world.table.values())) < 12_000


def test_services_beyond_the_limit_are_refused():
    world = World(limit=1)

    assert world.hears(beat(0), service="a") is None
    assert world.hears(beat(0), service="b") == "too_many_services"


def test_a_service_silent_for_a_week_is_forgotten(world: World):
    world.listens(0, 60, *beats(0, 21))
    assert world.table

    said = world.look(7 * 86_400 + 100)

    assert world.table == {}
    (last,) = [one for one in said if one["forgotten"]]
    assert (last["final"], last["status"], last["unknown_ms"]) == (True, "unknown", 60_000)
    assert set(AggregateRecord.model_validate(last).root.model_fields_set) == set(last)
    assert world.look(7 * 86_400 + 200) == []


@pytest.mark.no_cover
def test_who_beats_like_mad_is_refused_before_memory_is_full(world: World):
    world.hears(*(beat(i / 1000, "up" if i % 2 else "down") for i in range(4_000)))

    assert world.hears(beat(5)) == "too_often"
