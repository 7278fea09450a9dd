"""A page says what is not as it should be: Kafka, the workers, the clock, the limits."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from agents.dashboard import following, freshness, live, stored_windows
from agents.dashboard.app import Dashboard
from agents.dashboard.following import Followed, Follower
from agents.dashboard.freshness import Freshness
from agents.dashboard.role_states import RoleState, RoleStates
from agents.dashboard.stored_windows import StoredWindows
from agents.dashboard.world import World
from agents.runtime.settings import Settings
from schemas.topics import AGGREGATES, PARTIALS


class Clock:
    """The two clocks of a machine; somebody may set one of them."""

    def __init__(self) -> None:
        self.steady_s, self.wall_s = 1000.0, 1_800_000_000.0

    def passes(self, seconds: float) -> None:
        self.steady_s += seconds
        self.wall_s += seconds

    def monotonic(self) -> float:
        return self.steady_s

    def time(self) -> float:
        return self.wall_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    fake = SimpleNamespace(monotonic=made.monotonic, time=made.time)
    monkeypatch.setattr(freshness, "time", fake)
    monkeypatch.setattr(following, "time", fake)
    return made


class Watching:
    """A dashboard's parts, without Kafka."""

    def __init__(self, clock: Clock) -> None:
        settings = Settings(_env_file=None)
        self.world = World(settings)
        self.follower = Follower(settings, [Followed(AGGREGATES, print, None)], [PARTIALS])
        self.stored = StoredWindows(settings, self.world)
        self.roles = RoleStates(settings)
        self.freshness = Freshness(settings, self.follower, self.world, self.stored, self.roles)
        self.freshness.filling = False
        self.clock = clock
        self.follower._note_answer()
        self.follower.caught_up.set()
        self.worker_publishes()

    def worker_publishes(self) -> None:
        self.follower._note_answer()
        self.follower._ends["opwatch.partials"] = 1
        self.follower.grew_s["opwatch.partials"] = self.clock.steady_s

    @property
    def sentences(self) -> str:
        return " ".join(notice.sentence for notice in self.freshness.notices())


def test_when_all_is_well_nothing_is_said(clock: Clock):
    watching = Watching(clock)
    watching.freshness.look()
    assert watching.sentences == ""
    assert watching.freshness.health()["status"] == "ok"


def test_a_worker_that_publishes_nothing_is_noticed(clock: Clock):
    watching = Watching(clock)
    clock.passes(12)
    watching.follower._note_answer()
    assert "No measure worker has published anything for 12 s" in watching.sentences
    assert watching.freshness.health()["status"] == "degraded"
    watching.worker_publishes()
    assert watching.sentences == ""


def test_a_role_whose_workers_have_all_ended_is_named_if_it_ran_before(clock: Clock):
    watching = Watching(clock)
    watching.roles.roles = [
        RoleState(role, "Empty", (), {}) for role in ("measure", "quality", "alert", "store")
    ]
    assert watching.sentences == ""
    watching.roles._ran = {"measure", "alert"}
    assert watching.sentences == "No alert worker runs: nobody is notified meanwhile."
    watching.roles.why = "no answer in time"
    assert watching.sentences == ""


def test_what_may_not_be_asked_for_is_no_outage(clock: Clock):
    watching = Watching(clock)
    watching.follower._ends.clear()
    clock.passes(60)
    watching.follower._note_answer()
    assert watching.sentences == ""


def test_a_broker_that_is_away_is_said_instead_of_what_follows_from_it(clock: Clock):
    watching = Watching(clock)
    clock.passes(7)
    assert watching.sentences == "Kafka has not answered for 7 s: figures stand still."
    assert watching.freshness.health()["status"] == "down"


@pytest.mark.parametrize(
    "waits_s",
    [
        (following._ASK_S, following._ANSWER_S),
        (following._ASK_S, freshness._WORKER_S),
        (stored_windows._ASK_S, stored_windows._ANSWER_S),
        (stored_windows._CONNECT_S,),
    ],
)
def test_a_page_says_within_five_seconds_what_is_away(waits_s: tuple[float, ...]):
    assert sum(waits_s) + live.TICK_S <= 5


def test_connecting_is_no_outage(clock: Clock):
    watching = Watching(clock)
    watching.follower.caught_up.clear()
    watching.follower._is_connected = False
    clock.passes(2)
    assert watching.sentences == "Connecting to Kafka …"
    clock.passes(18)
    assert watching.sentences == "Kafka has not answered for 20 s: nothing can be shown."


@pytest.mark.parametrize(
    ("jump_s", "said"), [(3599.9998, "forward by 1 h"), (-90, "back by 1 min 30 s")]
)
def test_a_clock_that_was_set_is_said_for_a_while(clock: Clock, jump_s: float, said: str):
    watching = Watching(clock)
    watching.freshness.look()
    clock.wall_s += jump_s
    watching.freshness.look()
    assert f"clock jumped {said}" in watching.sentences
    clock.passes(200)
    watching.worker_publishes()
    watching.freshness.look()
    assert watching.sentences == ""


def test_a_history_that_was_read_and_is_away_now_is_shown_as_old(clock: Clock):
    watching = Watching(clock)
    watching.stored._read_s = time.monotonic() - 90
    watching.stored.why = "no answer in time"
    assert watching.sentences == (
        "PostgreSQL does not answer: the history is shown as it was read 1 min 30 s ago."
        " no answer in time"
    )


def test_what_is_left_out_is_said(clock: Clock):
    watching = Watching(clock)
    watching.world.books.left_out |= {"a", "b"}
    watching.follower.missing = ["opwatch.commands"]
    watching.follower.lag = 5_000
    watching.stored.why = "connection refused"
    for part in ("2 series or more", "opwatch.commands", "5,000 records", "connection refused"):
        assert part in watching.sentences


def test_a_dashboard_that_is_to_read_no_past_is_not_said_to_read_it():
    made = Dashboard(Settings(_env_file=None, dashboard_back_s=0))
    made._follower.caught_up.set()
    asyncio.run(made._read_back())
    assert not made._freshness.filling
