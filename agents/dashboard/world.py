"""Keep what the topics say, as far as pages show it: figures, alerts, dead letters."""

import time
from collections import Counter
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.alert.alert_log import StoredDeadLetter
from agents.runtime.settings import Settings
from schemas.breaches import Breach
from schemas.commands import CommandRecord
from schemas.dead_letters import from_headers
from schemas.notifications import Notification
from schemas.spans import DAY_MS
from streams.audit.status import AlertStatus
from streams.audit.why import Undelivered
from streams.dashboard.alert_board import AlertBoard
from streams.dashboard.book import Books
from streams.dashboard.calibrations import NewestCalibrations
from streams.dashboard.records import read_shown
from streams.dashboard.remediations import Remediations
from streams.dashboard.sums import SpanSums

#: Dead letters that are remembered with their first bytes; all are counted.
_LETTERS = 500
_FIRST_BYTES = 400
#: Windows of a minute are drawn for an hour and the hour before it; older ones are not needed.
_MINUTES_BACK_MS = 135 * 60_000
#: As long as Kafka keeps breaches, decisions and dead letters.
_KEPT_MS = 30 * DAY_MS

Model = TypeVar("Model", bound=BaseModel)


class World:
    """What is known, as of the records that were taken in."""

    def __init__(self, settings: Settings) -> None:
        self.books = Books(settings.dashboard_series)
        self.sums = SpanSums(self.books)
        self.calibrations = NewestCalibrations()
        self.remediations = Remediations(int(_now_ms() - 1000 * settings.dashboard_back_s))
        self._board = AlertBoard()
        self.log = self._board.log
        self.letters: dict[str, StoredDeadLetter] = {}
        """By key, the newest last."""
        self.letters_by_reason: Counter[str] = Counter()
        self.undelivered: dict[str, Undelivered] = {}
        self.aggregates = 0
        self.newest_ms: int | None = None
        """The timestamp of the newest record on `aggregates`."""
        self.refused = 0
        """Breaches, commands and decisions that this program cannot read."""

    def take_aggregate(self, record: Any) -> None:
        """Take a record on `aggregates` in."""
        if self.newest_ms is None or record.timestamp > self.newest_ms:
            self.newest_ms = record.timestamp
        self._take_aggregate(record)

    def take_old_aggregate(self, record: Any) -> None:
        """Take a record in that was published before this process began."""
        if b"/1m/" in (record.key or b"") and record.timestamp < _now_ms() - _MINUTES_BACK_MS:
            return
        self._take_aggregate(record)

    def _take_aggregate(self, record: Any) -> None:
        shown = read_shown(record.value)
        if shown is None:  # a tombstone, or of another kind
            self.calibrations.take(record.value)
            return
        self.aggregates += 1
        self.books.take(shown, record.timestamp)

    def take_breach(self, record: Any) -> None:
        """Take a record on `breaches` in."""
        if (breach := self._parsed(Breach, record)) is not None:
            self._board.add_breach(breach, record.offset, record.timestamp)

    def take_command(self, record: Any) -> None:
        """Take a record on `commands` in."""
        if (command := self._parsed(CommandRecord, record)) is not None:
            self._board.add_command(command.root, record.offset, record.timestamp)

    def take_decision(self, record: Any) -> None:
        """Take a record on `notifications` in."""
        if (decision := self._parsed(Notification, record)) is not None:
            self._board.add_decision(decision)

    def take_request(self, record: Any) -> None:
        """Take a record on `remediations` in."""
        self.remediations.take_request(record.value)

    def take_score(self, record: Any) -> None:
        """Take a record on `quality-scores` in: only repeats are of interest."""
        self.remediations.take_score(record.value, record.timestamp)

    def take_letter(self, record: Any) -> None:
        """Take a record on `dead-letters` in; a marker that one was redriven changes nothing."""
        key = (record.key or b"").decode(errors="replace")
        try:
            about = from_headers(record.headers)
        except (TypeError, ValueError):
            return
        if key in self.letters:
            return
        self.letters[key] = StoredDeadLetter(
            key=key,
            about=about,
            value=(record.value or b"")[:_FIRST_BYTES],
            refused_at_ms=record.timestamp,
        )
        self.letters_by_reason[about.reason] += 1
        if len(self.letters) > _LETTERS:
            del self.letters[next(iter(self.letters))]
        if about.delivery is not None:
            self.undelivered[key] = Undelivered(key, about.delivery, about.detail, record.timestamp)

    def alerts(self) -> list[AlertStatus]:
        """Return how each alert stands: what needs somebody first."""
        return self._board.alerts(_now_ms())

    def alert(self, fingerprint: str) -> AlertStatus | None:
        """Return how one alert stands; None if there is none."""
        return self._board.alert(fingerprint, _now_ms())

    def forget(self, now_ms: int) -> None:
        """Forget what its topic has forgotten, too."""
        self.books.forget(now_ms)
        before_ms = now_ms - _KEPT_MS
        self._board.forget(before_ms)
        self.undelivered = {
            key: it for key, it in self.undelivered.items() if it.at_ms >= before_ms
        }

    def _parsed(self, model: type[Model], record: Any) -> Model | None:
        if record.value is None:
            return None
        try:
            return model.model_validate_json(record.value)
        except ValidationError:  # of a kind or version this program cannot read
            self.refused += 1
            return None


def _now_ms() -> int:
    return int(time.time() * 1000)
