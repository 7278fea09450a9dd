"""Keep how each alert stands, and work out anew only those that something came of.

There may be thousands in a month, and a page that is open asks every second.
"""

from schemas.breaches import Breach
from schemas.commands import Command
from schemas.notifications import Notification
from streams.audit.log import ATTEMPTS, Log
from streams.audit.status import (
    AlertStatus,
    SilenceStatus,
    active_silences,
    status_under,
    urgency,
)


class AlertBoard:
    """The log of alerts, and how they stand by it."""

    def __init__(self) -> None:
        self.log = Log()
        self._standing: dict[str, AlertStatus] = {}
        self._changed: set[str] = set()
        self._sharing: dict[str, set[str]] = {}
        """The alerts that a batch is about: an attempt is recorded under one of them."""
        self._silences: tuple[tuple[str, int], ...] = ()
        self._ordered: list[AlertStatus] | None = None

    def add_breach(self, breach: Breach, offset: int, at_ms: int) -> None:
        """Add a breach."""
        self.log.add_breach(breach, offset, at_ms)
        self._change(breach.fingerprint)

    def add_command(self, command: Command, offset: int, at_ms: int) -> None:
        """Add a command: it counts once it is decided."""
        self.log.add_command(command, offset, at_ms)

    def add_decision(self, decision: Notification) -> None:
        """Add a decision."""
        self.log.add_decision(decision)
        self._change(decision.fingerprint)
        if decision.batch is not None:
            sharing = self._sharing.setdefault(decision.batch, set())
            sharing.add(decision.fingerprint)
            if decision.reason in ATTEMPTS:
                self._changed |= sharing

    def alerts(self, now_ms: int) -> list[AlertStatus]:
        """Return how each alert stands: what needs somebody first."""
        self._catch_up(now_ms)
        if self._ordered is None:
            standing = [self._standing[fingerprint] for fingerprint in self.log.breaches]
            self._ordered = sorted(standing, key=urgency)
        return self._ordered

    def alert(self, fingerprint: str, now_ms: int) -> AlertStatus | None:
        """Return how one alert stands; None if there is none."""
        self._catch_up(now_ms)
        return self._standing.get(fingerprint)

    def forget(self, before_ms: int) -> None:
        """Forget the alerts that are over since before a time."""
        for fingerprint in self.log.forget(before_ms):
            self._standing.pop(fingerprint, None)
            self._changed.discard(fingerprint)
        self._sharing = {
            batch: left
            for batch, sharing in self._sharing.items()
            if (left := sharing & self.log.breaches.keys())
        }
        self._ordered = None

    def _change(self, fingerprint: str) -> None:
        self._changed.add(fingerprint)
        self._ordered = None

    def _catch_up(self, now_ms: int) -> None:
        active = active_silences(self.log, now_ms)
        silences = tuple((it.silence.id, it.end_ms) for it in active)
        if silences != self._silences:
            self._silences = silences
            self._changed.update(self.log.breaches)
        if self._changed:
            self._work_out(active)

    def _work_out(self, active: list[SilenceStatus]) -> None:
        for fingerprint in self._changed & self.log.breaches.keys():
            self._standing[fingerprint] = status_under(self.log, fingerprint, active)
        self._changed.clear()
        self._ordered = None
