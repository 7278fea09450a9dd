"""Collect the records of `breaches`, `commands` and `notifications`, each once."""

from collections.abc import Iterator
from typing import NamedTuple

from schemas.breaches import Breach
from schemas.commands import Acknowledge, Command, Silence
from schemas.notifications import Notification, Reason
from streams.alerting.state import RANK
from streams.episodes import Episodes

#: What a request came to.
ATTEMPTS: frozenset[Reason] = frozenset({"attempted", "sent", "retry", "gave_up"})


ON_ITS_WAY: frozenset[Reason] = frozenset({"due", "attempted", "retry"})
#: Sent later, in a message with others.
SHARED: frozenset[Reason] = frozenset({"grouped", "storm"})


class BreachAt(NamedTuple):
    """A record on `breaches`."""

    breach: Breach
    offset: int
    at_ms: int
    """The record's timestamp: when it was published."""


class CommandAt(NamedTuple):
    """A record on `commands`."""

    command: Command
    offset: int
    at_ms: int


class Log:
    """The records of the three topics; add each topic's in their order."""

    def __init__(self) -> None:
        self.breaches: dict[str, list[BreachAt]] = {}
        """By fingerprint."""
        self.commands: dict[int, CommandAt] = {}
        """By offset: so a decision names its command."""
        self.decisions: dict[str, list[Notification]] = {}
        """By fingerprint."""
        self.answers: dict[int, Notification] = {}
        """Whether a command, by its offset, was done or refused."""
        self._breaches_at: dict[int, Breach] = {}
        self._episodes: dict[str, Episodes] = {}
        self._breaches_seen: set[tuple[str, int]] = set()
        self._commands_seen: set[str] = set()
        self._decisions_seen: set[str] = set()
        self._batches: dict[str, list[Notification]] = {}

    def add_breach(self, breach: Breach, offset: int, at_ms: int) -> None:
        """Add a breach; the same id and revision again changes nothing."""
        self._breaches_at[offset] = breach
        self._episodes.setdefault(breach.fingerprint, Episodes()).take(breach)
        name = (breach.id, breach.revision)
        if name not in self._breaches_seen:
            self._breaches_seen.add(name)
            record = BreachAt(breach, offset, at_ms)
            self.breaches.setdefault(breach.fingerprint, []).append(record)

    def add_command(self, command: Command, offset: int, at_ms: int) -> None:
        """Add a command; the same id again changes nothing."""
        if command.id not in self._commands_seen:
            self._commands_seen.add(command.id)
            self.commands[offset] = CommandAt(command, offset, at_ms)

    def add_decision(self, decision: Notification) -> None:
        """Add a decision; the same id again, as after a crash, changes nothing."""
        if decision.id in self._decisions_seen:
            return
        self._decisions_seen.add(decision.id)
        self.decisions.setdefault(decision.fingerprint, []).append(decision)
        if decision.batch is not None and decision.reason in ATTEMPTS:
            self._batches.setdefault(decision.batch, []).append(decision)
        cause = decision.cause
        answers = decision.reason in ("command_done", "command_refused")
        if answers and cause.kind == "command" and cause.offset is not None:
            self.answers.setdefault(cause.offset, decision)

    def forget(self, before_ms: int) -> set[str]:
        """Forget what is over since before a time, and return the alerts that are forgotten.

        Commands stay that decisions about the other alerts followed from, and silences whose end
        is later.
        """
        over = {
            fingerprint
            for fingerprint, records in self.breaches.items()
            if self.newest(fingerprint).state == "resolved"
            and max(record.at_ms for record in records) < before_ms
            and all(it.now_ms < before_ms for it in self.decisions.get(fingerprint, ()))
        }
        for fingerprint in over:
            del self.breaches[fingerprint], self._episodes[fingerprint]
            self.decisions.pop(fingerprint, None)
        # Of silences and tests: decisions that are about no alert.
        for fingerprint, decisions in list(self.decisions.items()):
            if fingerprint not in self.breaches and decisions[-1].now_ms < before_ms:
                del self.decisions[fingerprint]
        if over:
            self._forget_others(before_ms)
        return over

    def _forget_others(self, before_ms: int) -> None:
        """Forget what only the alerts needed that are gone."""
        left = [decision for many in self.decisions.values() for decision in many]
        needed = {it.cause.offset for it in left if it.cause.kind == "command"}
        self.commands = {
            offset: record
            for offset, record in self.commands.items()
            if offset in needed or _until_ms(record) >= before_ms
        }
        self.answers = {
            offset: answer for offset, answer in self.answers.items() if offset in self.commands
        }
        records = [record for many in self.breaches.values() for record in many]
        offsets = {record.offset for record in records}
        self._breaches_at = {at: it for at, it in self._breaches_at.items() if at in offsets}
        self._breaches_seen = {(it.breach.id, it.breach.revision) for it in records}
        self._commands_seen = {record.command.id for record in self.commands.values()}
        self._decisions_seen = {decision.id for decision in left}
        batches = {decision.batch for decision in left}
        self._batches = {name: many for name, many in self._batches.items() if name in batches}

    def newest(self, fingerprint: str) -> Breach:
        """Return how the alert's newest episode stands.

        Raises:
            KeyError: there is none.
        """
        newest = self._episodes[fingerprint].newest
        assert newest is not None
        return newest

    def acknowledgement(self, fingerprint: str) -> Acknowledge | None:
        """Return what acknowledged the newest episode, None if nobody did or it has ended.

        As the alert role decides it: a rise in severity ends it, and so does the episode's end.
        """
        acknowledge: Acknowledge | None = None
        episodes = Episodes()
        for step in self._steps(fingerprint):
            if isinstance(step, Acknowledge):
                acknowledge = step
                continue
            before = episodes.newest
            is_newest = episodes.take(step) == "newest"
            if is_newest and acknowledge is not None and _ends(acknowledge, before, step):
                acknowledge = None
        if acknowledge is None or acknowledge.breach_id != self.newest(fingerprint).id:
            return None
        return acknowledge

    def _steps(self, fingerprint: str) -> Iterator[Breach | Acknowledge]:
        """Yield breaches and acknowledgements in the order in which they were decided on.

        A breach that nothing is decided about yet comes by its time.
        """
        decisions = self.decisions.get(fingerprint, ())
        decided = {d.cause.offset for d in decisions if d.cause.kind == "breach"}
        waiting = [record for record in self.breaches[fingerprint] if record.offset not in decided]
        for decision in decisions:
            while waiting and waiting[0].at_ms <= decision.now_ms:
                yield waiting.pop(0).breach
            cause, offset = decision.cause, decision.cause.offset
            if cause.kind == "breach" and offset in self._breaches_at:
                yield self._breaches_at[offset]
            elif decision.reason == "command_done" and offset in self.commands:
                command = self.commands[offset].command
                if isinstance(command, Acknowledge):
                    yield command
        yield from (record.breach for record in waiting)

    def about(self, fingerprint: str) -> list[Notification]:
        """Return the decisions about an alert, also about messages that it shares."""
        own = self.decisions.get(fingerprint, [])
        recorded = {(d.batch, d.attempt, d.reason) for d in own}
        batches = {d.batch: d.breach_id for d in own if d.batch is not None}
        shared = [
            d.model_copy(update={"breach_id": breach_id})
            for batch, breach_id in batches.items()
            for d in self._batches.get(batch, ())
            if d.fingerprint != fingerprint and (batch, d.attempt, d.reason) not in recorded
        ]
        return sorted([*own, *shared], key=lambda d: d.now_ms) if shared else own

    def done(self) -> Iterator[CommandAt]:
        """Yield the commands that the alert role says are done."""
        for offset, record in self.commands.items():
            answer = self.answers.get(offset)
            if answer is not None and answer.reason == "command_done":
                yield record


def _until_ms(record: CommandAt) -> int:
    """Return until when a command matters."""
    command = record.command
    return max(record.at_ms, command.end_ms) if isinstance(command, Silence) else record.at_ms


def _ends(acknowledge: Acknowledge, before: Breach | None, breach: Breach) -> bool:
    """Whether a breach ends an acknowledgement of the alert as it was before."""
    if breach.id != acknowledge.breach_id:
        return False  # of no effect while another episode is the newest
    if breach.state == "resolved":
        return True
    if before is None or before.id != breach.id:
        return False  # how it stood then, with a clock that is ahead of the role's
    return before.state == "resolved" or RANK[breach.severity] > RANK[before.severity]


def ends(decision: Notification) -> bool:
    """Whether a decision ends the delivery that it is about: it was sent, failed or dropped."""
    on_its_way = decision.reason in ON_ITS_WAY | SHARED or decision.reason == "command_done"
    return decision.delivery is not None and not on_its_way


_PLAIN: frozenset[Reason] = frozenset({"command_done", "command_refused", "duplicate"})
_REFUSED: frozenset[Reason] = frozenset(
    {
        "command_refused",
        "unknown_channel",
        "undeliverable",
        "channel_disabled",
        "gave_up",
        # Dropped before it was sent, as its alert is now:
        "acknowledged",
        "silenced",
        "muted",
        "inhibited",
        "cooldown",
        "below_severity",
    }
)


class CommandAnswer:
    """What follows from the command at an offset; `take` gets all decisions in their order."""

    def __init__(self, offset: int) -> None:
        self.decision: Notification | None = None
        """Whether it was done or refused; of a test the first thing decided."""
        self.retry: Notification | None = None
        """The last attempt that failed."""
        self.outcome: Notification | None = None
        """What became of the message it asked for."""
        self._offset = offset
        self._deliveries: set[str] = set()

    @property
    def refused(self) -> bool:
        """Whether it was refused, or the message it asked for will not arrive."""
        last = self.outcome or self.decision
        return last is not None and last.reason in _REFUSED

    def take(self, decision: Notification) -> None:
        """Add a decision; one that follows from something else changes nothing."""
        cause = decision.cause
        if cause.kind == "command" and cause.offset == self._offset:
            if decision.delivery is not None:
                self._deliveries.add(decision.delivery)
            if self.decision is None or decision.reason in _PLAIN:
                self.decision = decision
        elif decision.delivery in self._deliveries:
            if ends(decision):
                self.outcome = decision
            elif decision.reason == "retry":
                self.retry = decision
