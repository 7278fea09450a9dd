"""Judge one series: settle minutes that are final, look at those that are not, say what changed.

    minutes   ... 10    11    12    13
    windows       final final prov. prov.
                  `settled`^  `live`: the same fold over the rest, anew each time

A breach opens by `live` and resolves by `settled`; in between `settled` confirms it, or the
finals say it never was. A minute without operations says nothing, neither good nor bad: after five
of them what is open is no longer judged, and what was about to open begins anew.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.breaches import BreachState, Why
from streams.measure.digests import Engine
from streams.rules.breach import BreachSubject, BreachUpdate, breach, changed, id_of
from streams.rules.compiled import CompiledRule
from streams.rules.firing import IDLE, FiringState, step
from streams.rules.gaps import AGAIN, FORGOTTEN, LAPSE, turns
from streams.rules.history import History
from streams.rules.needs import needs_of
from streams.rules.records import AggregateRecord
from streams.rules.rule_changes import RuleChange, going_on
from streams.rules.series_state import OpenBreach, RuleState, SeriesState
from streams.rules.verdict import NO_SEVERITY, Verdict

_MINUTE_MS = 60_000
#: What ended so long before it was told is history.
STALE_MS = 15 * _MINUTE_MS
#: A window that is not final so many minutes after others never will be.
_OVERDUE = 60
#: The live look goes back so many minutes, or twice `for` and `keep_firing_for` of a rule.
_REACH = 60
_PRUNE = 5
_UNKNOWN = Verdict(NO_SEVERITY, False, False, None, 0, None, 1)


class _One(NamedTuple):
    rule: CompiledRule
    state: RuleState


class SeriesRules:
    """A series under its rules."""

    def __init__(
        self,
        series: str,
        row: SeriesState,
        rules: Sequence[CompiledRule],
        rules_hash: str,
        engine: Engine,
    ) -> None:
        """Begin with what the row holds; `reload` must have made its rules these."""
        self.row = row
        self._about = BreachSubject(series, row.labels, rules_hash)
        self._needs = needs_of(one.rule for one in rules)
        self._seen = History(row, self._needs, engine)
        self._ones = [_One(rule, row.rules[rule.rule.name]) for rule in rules]
        self._said: list[bytes] = []
        self._older: list[tuple[FiringState, int]] = []
        self._older_of: tuple[int, int, int] | None = None
        self._older_to = 0

    # ------------------------------------------------------------------ inputs

    def evaluate(self, told: AggregateRecord, timestamp_ms: int, horizon: int) -> list[bytes]:
        """Take a window in; return what is said.

        Args:
            told: the window.
            timestamp_ms: its record's.
            horizon: the newest final minute of the partition.
        """
        is_new = self.row.offset < 0  # what came before its first window is no silence
        if self.row.settled < horizon - 1 and not is_new:
            self._settle(horizon, timestamp_ms)
        if self._seen.add(told):
            self._settle(horizon, timestamp_ms)
            self._live(timestamp_ms)
        return self._spoken()

    def settle(self, horizon: int, timestamp_ms: int, quiet: int = 0) -> list[bytes]:
        """Take the minutes before the horizon as final where nothing was heard of them.

        Args:
            horizon: the newest final minute of the partition.
            timestamp_ms: of what says so.
            quiet: before this minute nothing came, as the clock says.
        """
        before = self.row.settled
        self._settle(horizon, timestamp_ms)
        if self.row.settled > before:
            self._live(timestamp_ms)
        for one in self._ones:
            episode = one.state.episode
            if episode is not None and one.rule.needs_operations:
                minute = max(one.state.judged, episode.live, self.row.newest) + LAPSE
                if minute < quiet:
                    self._stop_judging(one, minute, None)
        return self._spoken()

    def leave(self, minute: int, timestamp_ms: int) -> list[bytes]:
        """Resolve what is open, since the series is no more, and let go of its windows."""
        for one in self._ones:
            if one.state.episode is not None:
                self._end(one, "series_gone", minute, timestamp_ms, None)
            one.state.fold = IDLE
        self._seen.forget()
        self.row.settled = max(self.row.settled, minute)
        self.row.newest = max(self.row.newest, minute)
        return self._spoken()

    def change(self, changes: Sequence[RuleChange]) -> list[bytes]:
        """Go on with what is open by rules that were changed, or end it by the new condition."""
        row = self.row
        minutes = [at for at in (row.newest, row.settled) if at in row.minutes]
        for one in self._ones:
            episode = one.state.episode
            found = next((each for each in changes if each.name == one.rule.rule.name), None)
            if found is None or episode is None:
                continue
            known = []
            if found.is_condition:
                known = [(at, verdict) for at in minutes if (verdict := self._known(one, at))]
            bad = next((each for each in known if each[1].severity >= 0 or each[1].holds), None)
            if known and bad is None:
                self._say(one, "resolved", "rule_changed", *known[0])
                one.state.fold = IDLE
                continue
            if found.is_condition:
                level = bad[1].severity if bad is not None else NO_SEVERITY
                one.state.fold = fold = going_on(episode, level, one.rule)
                episode.severity = fold.severity
            if bad is not None:
                episode.judged = True
                self._say(one, "updated", "rule_changed", *bad)
            else:
                self._note(one, changed(self._about, one.rule, episode))
        return self._spoken()

    @property
    def is_at_rest(self) -> bool:
        """Whether the passing of time alone changes nothing any more."""
        return (
            not self._needs.in_silence
            and self._seen.is_empty
            and all(one.state.fold == IDLE for one in self._ones)
            and not self.firing
        )

    @property
    def firing(self) -> int:
        """How many breaches are open, also of rules that are not there now."""
        return sum(state.episode is not None for state in self.row.rules.values())

    def pack(self) -> SeriesState:
        """Return the row, ready for the table."""
        self._seen.pack_digests()
        return self.row

    def _spoken(self) -> list[bytes]:
        said, self._said = self._said, []
        return said

    # ------------------------------------------------------------------ settled

    def _settle(self, horizon: int, timestamp_ms: int) -> None:
        row = self.row
        enters = True
        while True:
            minute = row.settled + 1
            held = row.minutes.get(minute)
            if held is None:
                later = self._seen.next_minute(minute)
                end = horizon if later is None else min(horizon, later)
                if minute >= end:
                    return
                minute = self._turn(minute, end, timestamp_ms, enters=enters)
                enters = False
                self._settled_to(minute - 1)
                if minute == end:
                    continue
            elif not held.final and horizon - minute < _OVERDUE:
                return
            else:
                enters = True
            for one in self._ones:
                self._settle_one(one, minute, timestamp_ms)
            self._settled_to(minute)

    def _turn(self, first: int, end: int, timestamp_ms: int, *, enters: bool) -> int:
        """Return the first minute of a gap in which something may change; its end if none.

        Args:
            first: the gap's first minute.
            end: the minute after its last.
            timestamp_ms: of what says that nothing more comes.
            enters: whether nothing of the gap was looked at since a record came.
        """
        if enters and self._needs.in_silence:
            return first
        fresh = -(-(timestamp_ms - STALE_MS) // _MINUTE_MS) - 1
        found = end
        for rule, state in self._ones:
            for minute in turns(rule, state, self.row, first, fresh):
                if first <= minute < found:
                    found = minute
        return found

    def _settled_to(self, minute: int) -> None:
        """Note that the minutes up to one are judged; prune as of each fifth one."""
        before, self.row.settled = self.row.settled, max(self.row.settled, minute)
        if minute // _PRUNE > before // _PRUNE:
            self._seen.prune(minute // _PRUNE * _PRUNE)

    def _known(self, one: _One, minute: int) -> Verdict | None:
        """Return the verdict on a minute; None if it says nothing."""
        rule = one.rule
        if rule.needs_operations and self._seen.is_silent(minute):
            return None
        verdict = rule.judge(rule.rule, self._seen, minute)
        return verdict if verdict is not None and verdict.enough else None

    def _settle_one(self, one: _One, minute: int, timestamp_ms: int) -> None:
        rule, state = one
        verdict = self._known(one, minute)
        if verdict is None:
            self._lapse(one, minute, timestamp_ms)
            return
        before = state.fold
        state.fold, state.judged = _next(rule, before, state.judged, verdict, minute)
        after, episode = state.fold, state.episode
        if after.severity < 0:
            if episode is not None and episode.confirmed and before.severity >= 0:
                self._end(one, "condition_gone", minute, timestamp_ms, verdict)
            return
        stale = self._is_stale(minute, timestamp_ms)
        if episode is None:
            self._open(one, after, minute, verdict, stale=stale, confirmed=True)
            return
        severity = episode.severity if minute < episode.live else after.severity
        why: Why | None = None
        if not episode.confirmed:
            why = "confirmed"
            episode.confirmed = True
            episode.since, episode.opened = after.began, after.opened
        elif not episode.judged and minute >= episode.live:
            why = "judged_again"
        elif severity != episode.severity:
            why = "severity_changed"
        elif not stale and (episode.stale or minute - episode.told >= AGAIN):
            why = "still_true"
        if why is not None:
            episode.severity, episode.judged = severity, True
            episode.stale = episode.stale and stale
            self._say(one, "updated", why, minute, verdict)

    # ------------------------------------------------------------------ nothing to judge by

    def _lapse(self, one: _One, minute: int, timestamp_ms: int) -> None:
        """Let go of what nothing can be said of for long."""
        rule, state = one
        if not rule.needs_operations or minute - state.judged < LAPSE:
            return
        if state.fold.severity < 0:
            state.fold = IDLE
        episode, row = state.episode, self.row
        if episode is None:
            return
        if minute - row.spoke >= FORGOTTEN:
            self._end(one, "series_gone", minute, timestamp_ms, None)
            state.fold = IDLE
        elif minute - episode.live >= LAPSE and (minute in row.minutes or row.newest < minute):
            verdict = rule.judge(rule.rule, self._seen, minute)
            self._stop_judging(one, minute, verdict)

    def _stop_judging(self, one: _One, minute: int, verdict: Verdict | None) -> None:
        """Say that what is open is no longer judged; not where data came since."""
        episode = one.state.episode
        assert episode is not None
        if not episode.judged or one.rule.keeps_firing:
            return
        episode.judged = False
        spoke = any(not self._seen.is_silent(at) for at in range(minute - LAPSE + 1, minute + 1))
        why: Why = "too_few_samples" if spoke else "no_operations"
        self._say(one, "updated", why, minute, verdict)

    # ------------------------------------------------------------------ live

    def _live(self, timestamp_ms: int) -> None:
        newest = self.row.newest
        if newest <= self.row.settled:
            for one in self._ones:
                if one.state.episode is not None and one.state.fold.severity < 0:
                    self._undo(one, timestamp_ms)
            return
        stale = self._is_stale(newest, timestamp_ms)
        for one, (older, judged) in zip(self._ones, self._folded(), strict=True):
            verdict = self._known(one, newest)
            fold, _ = _next(one.rule, older, judged, verdict, newest)
            if fold.severity >= 0:
                self._fires(one, fold, newest, verdict, stale=stale)
            elif one.state.episode is not None:
                self._undo(one, timestamp_ms)

    def _folded(self) -> list[tuple[FiringState, int]]:
        """Return each rule's fold up to the minute before the newest, and when it was judged.

        Where finals are far behind only the last hour or two are looked at: what is before that is
        judged once it is final.
        """
        row = self.row
        key = row.settled, row.newest // _REACH, self._seen.changes
        if key != self._older_of or row.newest < self._older_to:
            self._older = [(one.state.fold, one.state.judged) for one in self._ones]
            self._older_of, self._older_to = key, row.settled + 1
        self._older = [
            self._folded_one(*each) for each in zip(self._ones, self._older, strict=True)
        ]
        self._older_to = row.newest
        return self._older

    def _folded_one(self, one: _One, older: tuple[FiringState, int]) -> tuple[FiringState, int]:
        rule, (fold, judged) = one.rule, older
        newest = self.row.newest
        reach = max(_REACH, 2 * (rule.hold + rule.keep))
        first = max(self._older_to, newest // _REACH * _REACH - reach)
        for minute in self._seen.between(first, newest):
            fold, judged = _next(rule, fold, judged, self._known(one, minute), minute)
        return fold, judged

    def _fires(
        self, one: _One, fold: FiringState, minute: int, verdict: Verdict | None, *, stale: bool
    ) -> None:
        if verdict is None:
            return
        episode = one.state.episode
        if episode is None:
            self._open(one, fold, minute, verdict, stale=stale, confirmed=False)
            return
        episode.live = max(episode.live, minute)
        why: Why | None = None
        if fold.severity > episode.severity:
            why = "severity_changed"
            episode.severity = fold.severity
        elif not episode.judged:
            why = "judged_again"
        elif episode.stale and not stale:
            why = "still_true"
        if why is not None:
            episode.judged = True
            episode.stale = episode.stale and stale
            self._say(one, "updated", why, minute, verdict)

    def _undo(self, one: _One, timestamp_ms: int) -> None:
        """Resolve what finals do not confirm, once they have said so of all it rested on."""
        episode = one.state.episode
        assert episode is not None
        settled = self.row.settled
        if episode.confirmed or settled < episode.live:
            return
        verdict = one.rule.judge(one.rule.rule, self._seen, settled)
        self._end(one, "undone", settled, timestamp_ms, verdict)

    # ------------------------------------------------------------------ saying

    def _is_stale(self, minute: int, timestamp_ms: int) -> bool:
        return timestamp_ms - (minute + 1) * _MINUTE_MS > STALE_MS

    def _open(
        self,
        one: _One,
        fold: FiringState,
        minute: int,
        verdict: Verdict | None,
        *,
        stale: bool,
        confirmed: bool,
    ) -> None:
        rule, state = one
        # What a later minute opened may have been confirmed, and resolved, by an earlier one.
        again = state.opened if fold.began <= state.named else 0
        state.opened += 1
        state.named = max(state.named, fold.began)
        state.episode = OpenBreach(
            id_of(rule.rule.name, self._about.series, fold.began, again),
            0,
            fold.severity,
            fold.began,
            fold.opened,
            minute,
            minute,
            confirmed,
            stale,
            b"",
        )
        self._say(one, "opened", "violated", minute, verdict)

    def _end(
        self, one: _One, why: Why, minute: int, timestamp_ms: int, verdict: Verdict | None
    ) -> None:
        episode = one.state.episode
        assert episode is not None
        episode.stale = self._is_stale(minute, timestamp_ms)
        episode.judged = True
        self._say(one, "resolved", why, minute, verdict)

    def _say(
        self, one: _One, word: BreachState, why: Why, minute: int, verdict: Verdict | None
    ) -> None:
        rule, state = one
        episode = state.episode
        assert episode is not None
        episode.revision += 1
        episode.told = max(episode.told, minute)
        resolved = word == "resolved"
        moment = BreachUpdate(word, why, minute, resolved)
        self._note(one, breach(self._about, rule, episode, moment, verdict or _UNKNOWN, self._seen))
        if resolved:
            state.episode = None

    def _note(self, one: _One, said: bytes) -> None:
        assert one.state.episode is not None
        one.state.episode.last = said
        self._said.append(said)
        self.row.said += 1


def _next(
    rule: CompiledRule, fold: FiringState, judged: int, verdict: Verdict | None, minute: int
) -> tuple[FiringState, int]:
    """Return the fold with one more minute, and the last minute that was judged.

    What was about to open begins anew after minutes in which there was nothing to judge by.
    """
    if verdict is None:
        return fold, judged
    if rule.needs_operations and fold.severity < 0 and minute - judged > LAPSE:
        fold = IDLE
    return step(fold, verdict, minute, rule.hold, rule.keep), minute
