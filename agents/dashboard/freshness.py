"""Say whether what pages show is true now; if not, since when and why."""

import time
from typing import Any, Literal, NamedTuple

from agents.dashboard.following import Follower
from agents.dashboard.role_states import RoleStates
from agents.dashboard.stored_windows import StoredWindows
from agents.dashboard.world import World
from agents.runtime.settings import Settings
from schemas.topics import PARTIALS
from streams.channels.text_format import span

#: A measure worker publishes its progress each second: a page says within 5 s that none does.
_WORKER_S = 3.0
#: What is not done while no worker of a role runs; of `measure` its progress says so earlier.
_UNDONE = {
    "quality": "no analysis is scored",
    "alert": "nobody is notified",
    "store": "the history is not written",
}
#: A connection takes a moment.
_FIRST_ANSWER_S = 8.0
#: Nobody is worried by a reader that is so much behind.
_BEHIND = 2_000
#: The clock and the monotonic clock differ by more: somebody set the clock.
_JUMP_S = 3.0
#: How long a page says so.
_JUMP_SHOWN_S = 120.0


class Notice(NamedTuple):
    """What a reader of a page has to know."""

    level: Literal["bad", "near", "info"]
    sentence: str


class Freshness:
    """Watches the reading of topics, the workers and the clock."""

    def __init__(
        self,
        settings: Settings,
        follower: Follower,
        world: World,
        stored: StoredWindows,
        role_states: RoleStates,
    ) -> None:
        self._partials = settings.topic(PARTIALS)
        self._follower = follower
        self._world = world
        self._stored = stored
        self._role_states = role_states
        self._began_s = time.monotonic()
        self._offset_s = time.time() - time.monotonic()
        self._jumped: tuple[float, float] | None = None
        self.filling = True
        """Whether older records are still to be read."""

    @property
    def is_loading(self) -> bool:
        """Whether what was published before is not read yet."""
        return not self._follower.caught_up.is_set()

    @property
    def kafka_away_s(self) -> float | None:
        """For how long no broker has answered."""
        since_s = self._follower.away_since_s
        return None if since_s is None else time.monotonic() - since_s

    @property
    def worker_away_s(self) -> float | None:
        """For how long no measure worker has published anything; None: one does, or unknown."""
        if self.kafka_away_s is not None or not self._follower.knows(self._partials):
            return None
        grew_s = self._follower.grew_s.get(self._partials, self._began_s)
        quiet_s = time.monotonic() - grew_s
        return quiet_s if quiet_s > _WORKER_S else None

    @property
    def age_s(self) -> float | None:
        """How old the newest figures are; None without any."""
        newest_ms = self._world.newest_ms
        return None if newest_ms is None else max(0.0, time.time() - newest_ms / 1000)

    def _away(self, away_s: float) -> Notice:
        if self.is_loading and away_s < _FIRST_ANSWER_S:
            return Notice("info", "Connecting to Kafka …")
        since = span(1000 * away_s)
        what = "nothing can be shown" if self.is_loading else "figures stand still"
        return Notice("bad", f"Kafka has not answered for {since}: {what}.")

    def _history_away(self, why: str) -> Notice:
        if self._stored.age_s is None:
            return Notice("near", f"The history is not shown: {why}")
        ago = span(1000 * self._stored.age_s)
        return Notice(
            "near",
            f"PostgreSQL does not answer: the history is shown as it was read {ago} ago. {why}",
        )

    def health(self) -> dict[str, Any]:
        """Return how the dashboard is, for machines."""
        away_s, worker_s = self.kafka_away_s, self.worker_away_s
        notices = self.notices()
        is_well = all(notice.level == "info" for notice in notices)
        status = "ok" if is_well else "degraded"
        return {
            "status": "down" if away_s is not None else status,
            "kafka_away_s": away_s,
            "measure_worker_silent_s": worker_s,
            "loading": self.is_loading,
            "filling": self.filling,
            "newest_figures_age_s": self.age_s,
            "history": self._history,
            "notices": [notice.sentence for notice in notices],
        }

    @property
    def _history(self) -> str:
        if not self._stored.is_configured:
            return "METRICS_DATABASE_URL is not set: nothing is older than what Kafka keeps."
        return self._stored.why or "ok"

    def look(self) -> None:
        """Notice a clock that was set; to be called every second."""
        offset_s = time.time() - time.monotonic()
        moved_s = offset_s - self._offset_s
        if abs(moved_s) > _JUMP_S:
            self._jumped = moved_s, time.monotonic()
        self._offset_s = offset_s

    def notices(self) -> list[Notice]:
        """Return what is not as it should be, the worst first."""
        found: list[Notice] = []
        away_s, worker_s = self.kafka_away_s, self.worker_away_s
        if away_s is not None:
            found.append(self._away(away_s))
        elif worker_s is not None:
            found.append(
                Notice(
                    "bad",
                    f"No measure worker has published anything for {span(1000 * worker_s)}:"
                    " nothing is counted meanwhile.",
                )
            )
        if away_s is None:
            found += [
                Notice("bad", f"No {role} worker runs: {_UNDONE[role]} meanwhile.")
                for role in self._role_states.gone
                if role in _UNDONE
            ]
        if self._follower.missing and away_s is None:
            names = ", ".join(self._follower.missing)
            found.append(
                Notice("near", f"Missing, or not to be read: {names}. `opwatch topics create`.")
            )
        if self._jumped is not None and time.monotonic() - self._jumped[1] < _JUMP_SHOWN_S:
            moved = span(1000 * round(abs(self._jumped[0])))
            way = "forward" if self._jumped[0] > 0 else "back"
            found.append(Notice("near", f"This machine's clock jumped {way} by {moved}."))
        lag = self._follower.lag or 0
        if not self.is_loading and lag > _BEHIND:
            found.append(Notice("near", f"{lag:,} records are published and not read yet."))
        if self.filling and not self.is_loading:
            found.append(Notice("info", "Older figures are still being read."))
        if self._stored.why is not None:
            found.append(self._history_away(self._stored.why))
        if left_out := len(self._world.books.left_out):
            found.append(
                Notice(
                    "near",
                    f"{left_out:,} series or more are not shown: OPWATCH_DASHBOARD_SERIES is the"
                    " limit.",
                )
            )
        return found
